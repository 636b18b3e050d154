"""Sending a request again while its failure may pass, and when that has an end."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from datamon.store.backend.patience import STOPPED, Patience

_Answer = TypeVar("_Answer")


class Tries:
    """The requests to one place, any number at once. Where one has used up all patience the place is away: until it answers, each
    further one is sent once, so that whoever can do without it (a mirrored store) waits for it only once."""

    def __init__(self, patience: Patience, is_passing: Callable[[Exception], bool]) -> None:
        self._patience = patience
        self._is_passing = is_passing
        self._is_away = False

    def until_answered(self, once: Callable[[], _Answer]) -> _Answer:
        """What `once` returns, or raises at last: what will not pass at once, and what may pass when all patience is used up."""
        patience = self._patience
        end_s = time.monotonic() + patience.total_s
        longest_s = patience.first_pause_s
        while True:
            try:
                answer = once()
            except Exception as error:
                if not self._is_passing(error):
                    self._is_away = False
                    raise
                pause_s = random.uniform(0, longest_s)  # noqa: S311 (no secret)
                if self._is_away or STOPPED.is_set():
                    raise
                if time.monotonic() + pause_s > end_s:
                    self._is_away = True
                    raise
                if STOPPED.wait(pause_s):
                    raise
                longest_s = min(2 * longest_s, patience.longest_pause_s)
            else:
                self._is_away = False
                return answer
