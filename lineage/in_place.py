"""Inputs and outputs in directories that the person named: filled before the work, cleared for it, looked at after it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from datamon.errors import DatamonError
from datamon.lineage.endpoints import Source
from datamon.lineage.recording import Recording
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress


def fill_inputs(store: Store, sources: Sequence[Source], progress: Progress = SILENT) -> None:
    """Each source's files lie in its directory. Raises as `checkout`, which overwrites no edit."""
    for source in sources:
        from datamon.store.checkout import checkout  # brings pyarrow, which a run without inputs does not need

        checkout(store, source.bundle, source.directory, path=source.record.path, progress=progress)


def clear_outputs(store: Store, directories: Sequence[Path], *, keep: bool = False) -> None:
    """Each directory is empty, or with `keep` as datamon's last output left it. Raises as `clear_output`, which removes nothing
    but what datamon itself has."""
    for directory in directories:
        from datamon.store.checkout import clear_output  # as above

        clear_output(store, directory, keep=keep)


def tell_of_changes(
    store: Store, recording: Recording, sources: Sequence[Source], who: Literal["command", "cell"]
) -> None:
    """Records which files of its inputs the work itself changed; `sources` stand in the order of the recording's inputs."""
    for number, source in enumerate(sources):
        from datamon.store.checkout import changed_paths  # imported by the time there is a source

        try:
            changed = changed_paths(store, source.directory)
        except DatamonError as error:
            recording.notes.append(f"whether the {who} changed its input {source.record.role!r} is not known: {error}")
            continue
        if changed:
            recording.inputs[number] = replace(recording.inputs[number], changed=tuple(changed))
            recording.notes.append(
                f"the {who} changed its input {source.record.role!r}: {', '.join(changed[:5])}{' …' if changed[5:] else ''}"
            )
