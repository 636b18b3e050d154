"""Recording a command as `datamon run record` does; loads neither duckdb nor, where nothing is read or written, pyarrow."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

from datamon.cli.environment import working_directory
from datamon.cli.globals import Globals
from datamon.cli.opening import open_tidied, policy_of
from datamon.cli.output import note
from datamon.cli.progress import watching
from datamon.cli.settings import load_settings
from datamon.cli.sql_request import of_sql
from datamon.cli.words import Given
from datamon.lineage.binding import InputBinding, OutputBinding, parse_input, parse_output
from datamon.lineage.capture.streams import Sinks
from datamon.lineage.command import CommandOutcome, CommandRequest, record_command
from datamon.lineage.finding import find_run
from datamon.lineage.recording import RunPlace
from datamon.lineage.records import Level
from datamon.store.ids import RunId
from datamon.store.opening import Store

Binding = TypeVar("Binding", InputBinding, OutputBinding)


def record(flags: Globals, given: Given, command: Sequence[str]) -> int:
    """Runs and records the command under the options of `record_options` and returns its exit code. Raises as
    `record_command`."""
    settings = load_settings(flags)
    policy = policy_of(settings)
    wanted = cast(tuple[str, ...], given["variables"])
    policy = replace(policy, kept_variables=(*policy.kept_variables, *wanted))
    request = replace(_request(given, command), policy=policy)
    store = open_tidied(settings)
    request = replace(request, parent=_parent(store, given), run_place=_place(store, given))
    if given["mount"]:
        from datamon.cli.input_mounts import showing_inputs  # libfuse, which few runs need

        request = replace(request, show=showing_inputs(flags))
    streams = Sinks(sys.stdout.buffer, sys.stderr.buffer)
    with watching() as progress:
        outcome = record_command(store, request, streams=streams, progress=progress)
    for sentence in (*outcome.notes, _summary(outcome)):
        note(sentence)
    return outcome.exit_code


def _request(given: Given, command: Sequence[str]) -> CommandRequest:
    def texts(name: str) -> tuple[str, ...]:
        return cast(tuple[str, ...], given[name])

    def paths(name: str) -> tuple[Path, ...]:
        return cast(tuple[Path, ...], given[name])

    request = CommandRequest(
        argv=tuple(command),
        cwd=working_directory(),
        pipeline=cast(str, given["pipeline"]),
        step=cast(str | None, given["step"]),
        inputs=tuple(_from_home(parse_input(text)) for text in texts("inputs")),
        outputs=tuple(_from_home(parse_output(text)) for text in texts("outputs")),
        labels=texts("labels"),
        params=texts("params"),
        params_files=paths("params_files"),
        metrics_files=paths("metrics_files"),
        code=paths("code"),
        keep=bool(given["keep"]),
        reuse=bool(given["reuse"]),
        trace=given["trace"],  # type: ignore[arg-type]  # one of the choices
        counts=texts("counts"),
    )
    return of_sql(request, cast(str | None, given["sql"]))


def _parent(store: Store, given: Given) -> RunId | None:
    return find_run(store, str(given["parent"])).id if given["parent"] is not None else None


def _place(store: Store, given: Given) -> RunPlace:
    """The place that `--level` and `--retry-of` mean. Raises as `find_run`."""
    level = cast(Level | None, given["level"])
    if given["retry_of"] is None:
        return RunPlace(level)
    earlier = find_run(store, str(given["retry_of"])).opened
    return RunPlace(level or earlier.level, earlier.id, earlier.attempt + 1)


def _from_home(binding: Binding) -> Binding:
    """With `~` at the start of its directory taken as the home: a shell does so only at the start of a word, which
    `my-repo=~/in` is not."""
    directory = binding.directory
    return replace(binding, directory=directory.expanduser()) if directory.parts[:1] == ("~",) else binding


def _summary(outcome: CommandOutcome) -> str:
    ended = f"recorded run {outcome.run} {outcome.status}"
    if outcome.status == "succeeded":
        written = [f"{output.repo_name}@{output.branch} {output.bundle}" for output in outcome.outputs]
        return f"{ended}: wrote {', '.join(written)}" if written else f"{ended}: wrote nothing"
    return f"{ended} with exit code {outcome.exit_code}: no ref moved"
