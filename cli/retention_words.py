"""What became of refs, in words on stderr."""

from collections.abc import Iterable

from datamon.cli.output import note
from datamon.store.bundle import Move


def note_moves(moves: Iterable[Move]) -> None:
    """Tells of each ref that was taken away or that points at another bundle now."""
    for move in moves:
        what = f"set to {move.new}" if move.new else "taken away"
        note(f"{move.ref_kind} {move.ref!r} was {what}")
