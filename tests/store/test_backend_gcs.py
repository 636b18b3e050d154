"""The Google Cloud Storage backend against the real emulator: the contract, and what a bucket refuses."""

import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from datamon.errors import Denied, NotFound, Unavailable
from datamon.store.backend import Appending, Backend
from datamon.store.backend.gcs import GcsBackend
from datamon.store.backend.opening import open_backend
from datamon.store.testing import contract

BUCKET = "team"
_numbers = count()


@pytest.fixture
def place(emulator: str) -> str:
    """An empty place: its own prefix of the bucket."""
    return f"gs://{BUCKET}/prefix-{next(_numbers)}/deep"


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Backend], None], place: str) -> None:
    check(open_backend(place))


@pytest.mark.parametrize("check", contract.ACROSS_PROCESSES, ids=lambda check: check.__name__)
def test_the_contract_across_processes_holds(check: Callable[[str], None], place: str) -> None:
    check(place)


def test_places_in_one_bucket_do_not_see_each_other(place: str) -> None:
    one, other = open_backend(place), open_backend(place + "er")
    one.put("a", b"1")
    other.put("a", b"2")
    assert one.get("a") == b"1"
    assert [stored.key for stored in one.list("")] == ["a"]


def test_a_bucket_without_prefix_is_a_place(emulator: str) -> None:
    backend = open_backend(BUCKET)
    backend.put("bare/a", b"1")
    assert backend.url == f"gs://{BUCKET}"
    assert [stored.key for stored in backend.list("bare/")] == ["bare/a"]


def test_it_does_not_append(place: str) -> None:
    assert not isinstance(open_backend(place), Appending)


def test_a_bucket_that_is_not_there_is_told(emulator: str) -> None:
    backend = open_backend("gs://no-such-bucket/x")
    with pytest.raises(Unavailable, match="no bucket no-such-bucket; create it"):
        backend.put("a", b"x")
    with pytest.raises(Unavailable, match="no bucket"):
        backend.put_if_absent("a", b"x")


def test_a_key_file_that_is_absent_or_none_is_denied(emulator: str, tmp_path: Path) -> None:
    for name, content in (("absent", None), ("words", "no JSON"), ("empty", "{}")):
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        with pytest.raises(Denied, match="check the credential"):
            GcsBackend(BUCKET, "x", path).put("a", b"x")


def test_the_client_library_starts_no_threads_of_its_own(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which any run cannot fork."""
    began: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        began.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    backend = open_backend(place)
    assert backend.put_if_absent("log/1", b"x")
    assert not backend.has("log/2")
    with pytest.raises(NotFound):
        backend.get("log/2")
    assert list(backend.list("log/3")) == []
    assert began == []


def test_the_client_library_is_not_imported_for_other_places(tmp_path: Path) -> None:
    import subprocess

    program = (
        "import sys\n"
        "from datamon.store.backend.opening import open_backend\n"
        "open_backend(sys.argv[1]).put('a', b'x')\n"
        "sys.exit(any(name.startswith('google.') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0
