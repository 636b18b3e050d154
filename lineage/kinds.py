"""The kinds of journal records that speak of a run."""

from typing import Final

RUN_OPENED: Final = "run-opened"
RUN_CLOSED: Final = "run-closed"
RUN_MOVES: Final = "run-moves"
RUN_ABANDONED: Final = "run-abandoned"
RUN_REPLAYED: Final = "run-replayed"
"""Says what came of a replay."""
RUN_KINDS: Final = frozenset({RUN_OPENED, RUN_CLOSED, RUN_MOVES, RUN_ABANDONED, RUN_REPLAYED})
"""All of them."""
