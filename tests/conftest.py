"""Fixtures that every test may use: a store in memory, a store on disk, and the clock both look at."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from datamon.store.bundle import Author
from datamon.store.opening import Places, Store, memory_store, open_store
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.emulator import make_buckets, running_emulator

# The first example of a test may pay for an import; timings belong in bench/.
hypothesis.settings.register_profile("datamon", deadline=None)
hypothesis.settings.load_profile("datamon")

# Where the tests were started in the background, Ctrl-C is ignored, and so it would be by every program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ADA = Author("Ada", "ada@example.org")


@pytest.fixture
def clock() -> SteppingClock:
    """A clock that moves one second at each look."""
    return SteppingClock()


@pytest.fixture
def store(clock: SteppingClock) -> Store:
    """An empty store in memory."""
    return memory_store(ADA, clock)


@pytest.fixture
def local_store(tmp_path: Path, clock: SteppingClock) -> Store:
    """An empty store on disk, in `tmp_path / "store"`."""
    return reopened(tmp_path, clock)


@pytest.fixture
def reopen(tmp_path: Path, clock: SteppingClock) -> Callable[[], Store]:
    """Opens the store of `local_store` anew, as another process would."""
    return lambda: reopened(tmp_path, clock)


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """The URL of Google's emulator, which the client library finds, with the bucket `team`."""
    with running_emulator() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        make_buckets(url, "team")
        yield url


@pytest.fixture(scope="module")
def bucket(emulator: str) -> str:
    """The name of that bucket."""
    return "team"


def reopened(tmp_path: Path, clock: SteppingClock) -> Store:
    """The store in `tmp_path`."""
    root = tmp_path / "store"
    return open_store(Places(str(root / "metadata"), str(root / "blob"), state_dir=root / "state"), ADA, clock=clock)
