"""Inputs and outputs in directories that the person named: filled before the work, cleared for it, looked at after it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from datamon.errors import DatamonError
from datamon.lineage.endpoints import Source
from datamon.lineage.placing import Placing
from datamon.lineage.recording import Recording
from datamon.store.opening import Store

Worker = Literal["command", "cell", "run"]
"""Who did the work, in the words of a note."""


def fill_inputs(placing: Placing, sources: Sequence[Source]) -> None:
    """Each source's files lie in its directory. Raises as `Placing.fill`, which overwrites no edit."""
    for source in sources:
        placing.fill(source)


def clear_outputs(store: Store, directories: Sequence[Path], *, keep: bool = False) -> None:
    """Each directory is empty, or with `keep` as datamon's last output left it. Raises as `clear_output`, which removes nothing
    but what datamon itself has."""
    for directory in directories:
        from datamon.store.checkout import clear_output  # brings pyarrow, which a run without outputs does not need

        clear_output(store, directory, keep=keep)


def tell_of_use(placing: Placing, recording: Recording, sources: Sequence[Source], who: Worker) -> None:
    """Records which files of its inputs the work itself changed, and what it read of them where that is known; `sources` stand in
    the order of the recording's inputs."""
    for number, source in enumerate(sources):
        recording.inputs[number] = placing.seen(source, recording.inputs[number])
    tell_of_changes(placing.changed, recording, sources, who)


def tell_of_changes(
    changed: Callable[[Source], list[str]], recording: Recording, sources: Sequence[Source], who: Worker
) -> None:
    """The first half of `tell_of_use`; `changed` gives the paths of an input that are not as they were."""
    for number, source in enumerate(sources):
        try:
            paths = changed(source)
        except DatamonError as error:
            recording.notes.append(f"whether the {who} changed its input {source.record.role!r} is not known: {error}")
            continue
        if paths:
            recording.inputs[number] = replace(recording.inputs[number], changed=tuple(paths))
            recording.notes.append(
                f"the {who} changed its input {source.record.role!r}: {', '.join(paths[:5])}{' …' if paths[5:] else ''}"
            )
