"""Inputs and outputs in directories that the person named: filled before the work, cleared for it, looked at after it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from datamon.errors import DatamonError
from datamon.lineage.endpoints import Source
from datamon.lineage.placing import Placing
from datamon.lineage.recording import Recording
from datamon.store.opening import Store


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


def tell_of_use(
    placing: Placing, recording: Recording, sources: Sequence[Source], who: Literal["command", "cell"]
) -> None:
    """Records which files of its inputs the work itself changed, and what it read of them where that is known; `sources` stand in
    the order of the recording's inputs."""
    for number, source in enumerate(sources):
        recording.inputs[number] = placing.seen(source, recording.inputs[number])
        try:
            changed = placing.changed(source)
        except DatamonError as error:
            recording.notes.append(f"whether the {who} changed its input {source.record.role!r} is not known: {error}")
            continue
        if changed:
            recording.inputs[number] = replace(recording.inputs[number], changed=tuple(changed))
            recording.notes.append(
                f"the {who} changed its input {source.record.role!r}: {', '.join(changed[:5])}{' …' if changed[5:] else ''}"
            )
