"""Taking the outputs of a run that did the same, and keeping what a run made for others to take."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from datamon.errors import Corrupt, DatamonError, NotFound
from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import RunClosed
from datamon.lineage.ref_moves import Target
from datamon.lineage.reuse.claim import note_parts
from datamon.lineage.reuse.parts import Parts, parts_of
from datamon.lineage.reuse.results import Result, Usable, find_usable, keep_result
from datamon.store.bundle import Bundle
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress


@dataclass(frozen=True, slots=True)
class Reusing:
    """A run that may be spared: what is known of it, and where its outputs go, each with the directory that gets its files (None
    for one of datamon's own, which nobody looks into)."""

    store: Store
    intent: RunIntent
    policy: Policy
    targets: Sequence[tuple[Target, Path | None]]
    progress: Progress = SILENT
    needs_returned: bool = False

    @property
    def exit_code(self) -> int | None:
        """That of a command that succeeded."""
        return 0 if self.intent.how == "command" else None


@dataclass(frozen=True, slots=True)
class Reused:
    """The recording of a run that was spared, and what the function returned when it ran (None where that is not asked)."""

    recording: Recording
    returned: object = None


def reuse(reusing: Reusing, key: str) -> "Reused | list[str]":
    """The run is recorded as one that succeeded, with new bundles of the same contents as the newest run of this key made, and
    its refs are moved, when this returns a Reused; else why not, in notes, and nothing is changed but output directories, which
    are empty. Raises as `Recording.end`, and as `checkout` for directories that hold something else."""
    try:
        usable = find_usable(reusing.store, key)
        if usable is None or (reusing.needs_returned and usable.result.returned is None):
            return []
        bundles = _by_role(usable)
        if bundles.keys() != {target.planned.role for target, _ in reusing.targets}:
            return []
        for target, directory in reusing.targets:
            if directory is not None:
                _fill(reusing, bundles[target.planned.role], directory)
    except (Corrupt, NotFound) as error:
        return [f"what an earlier run made is not whole and is computed again: {error.message}"]
    return _record(reusing, usable)


def keep_outcome(recording: Recording, closed: RunClosed, parts: Parts, returned: list[object] | None = None) -> None:
    """Others may take what this run made, if it made all that it planned and left its inputs as they were. What goes wrong with
    that is a note: the work is done."""
    if returned is not None and recording.redactor.value(cast(Any, returned)) != returned:
        returned = None  # a secret was in it
    planned = {output.role for output in recording.opened.outputs}
    made = {output.role for output in closed.outputs}
    if planned != made or any(each.changed for each in closed.inputs):
        return
    if any(each.how == "observed" for each in closed.inputs):
        recording.notes.append("the outputs cannot be reused by later runs: bundles were read that no input declares")
        return
    if closed.capture is not None and closed.capture.undeclared_count:
        recording.notes.append("the outputs cannot be reused by later runs: files were read that no input declares")
        return
    done = closed.outputs, closed.metrics, closed.streams, returned
    _keep(recording, Result(parts.key, recording.run, closed.ended_ns, *done), parts)


def _keep(recording: Recording, result: Result, parts: Parts) -> None:
    try:
        keep_result(recording.store, result, parts)
        note_parts(recording.store, parts.values["step"], recording.run, parts)
    except DatamonError as error:
        recording.notes.append(f"the outputs cannot be reused by later runs: {error.message}")


def exact_json(value: object) -> list[object] | None:
    """The value in a list, if JSON gives back the very same; else None.

    >>> exact_json({"a": [1, 2.5, None]}), exact_json((1, 2)), exact_json({1: "x"})
    ([{'a': [1, 2.5, None]}], None, None)
    """
    try:
        back = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return None
    return [value] if _same(value, back) else None


def _same(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _by_role(usable: Usable) -> dict[str, Bundle]:
    return {output.role: bundle for output, bundle in zip(usable.result.outputs, usable.bundles, strict=True)}


def _fill(reusing: Reusing, bundle: Bundle, directory: Path) -> None:
    from datamon.store.checkout import (  # these bring pyarrow, which a run without outputs does not need
        checkout,
        clear_output,
    )

    clear_output(reusing.store, directory, keep=False)
    checkout(reusing.store, bundle, directory, progress=reusing.progress)


def _record(reusing: Reusing, usable: Usable) -> Reused:
    result, bundles = usable.result, _by_role(usable)
    intent = replace(reusing.intent, reuse_key=result.key)
    with Recording.open(reusing.store, intent, reusing.policy) as recording:
        recording.reused, recording.streams = result.run, result.streams
        for target, directory in reusing.targets:
            recording.commit_again(target, bundles[target.planned.role], directory)
        recording.notes.append(f"reused the outputs of run {result.run}, which did the same; the command was not run")
        if usable.others:
            told = ", ".join(usable.others[:3])
            recording.notes.append(
                f"runs of this computation did not all make the same: {told} made something else than {result.run}"
            )
        closed = recording.end(Ending("succeeded", exit_code=reusing.exit_code, metrics=result.metrics))
        again = replace(result, run=recording.run, ended_ns=closed.ended_ns, outputs=closed.outputs)
        _keep(recording, again, parts_of(intent, reusing.policy.redactor.learning(intent.argv, intent.params)))
    return Reused(recording, result.returned[0] if result.returned else None)
