"""Surroundings: what the code that uses a path runs inside, as whoever records runs tells it."""

import tempfile
from pathlib import Path
from typing import Protocol

from datamon.store.bundle import Repo
from datamon.store.ids import RunId
from datamon.store.resolve import Resolved
from datamon.store.serving.served_tree import Accessed


class Surroundings(Protocol):
    """Any thread may ask."""

    def run(self, *, to_write: bool = False) -> RunId | None:
        """The run of this store that the caller is inside; None when it is in none. With `to_write` it is open now: what is
        staged for it will be committed."""

    def reading(self, run: RunId, resolved: Resolved) -> Accessed:
        """Who is to be told what the run reads of this bundle."""

    def staging(self, run: RunId, repo: Repo, branch: str) -> Path:
        """The directory (which need not be there yet) of what the run writes to this branch, the same for all its processes; it
        becomes an output of the run when that ends well."""

    def new_directory(self) -> Path:
        """A directory for one writer that is in no run; it removes it."""


class Alone:
    """See `Surroundings`: nobody records runs."""

    def run(self, *, to_write: bool = False) -> RunId | None:  # noqa: ARG002 (others need it)
        """See `Surroundings`."""
        return None

    def reading(self, run: RunId, resolved: Resolved) -> Accessed:  # noqa: ARG002 (there is no run to ask with)
        """See `Surroundings`."""
        raise AssertionError(f"nobody records the run {run}")

    def staging(self, run: RunId, repo: Repo, branch: str) -> Path:  # noqa: ARG002 (as above)
        """See `Surroundings`."""
        raise AssertionError(f"nobody records the run {run}")

    def new_directory(self) -> Path:
        """See `Surroundings`."""
        return Path(tempfile.mkdtemp(prefix="datamon-"))
