"""Eight writers in eight processes, one killed, one retried: on a disk and on the real GCS emulator."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.store.backend.opening import open_backend
from datamon.store.bundle import Author
from datamon.store.download import download
from datamon.store.opening import store_on
from datamon.store.repos import create_repo
from datamon.store.sessions.commit import SessionCommit, commit_session
from datamon.store.sessions.joint import MODES, ConflictMode
from datamon.store.sessions.start import start_session
from datamon.store.testing.emulator import emulator_client, running_emulator

ADA = Author("Ada", "ada@example.org")
WRITER = """
import os, signal, sys
from pathlib import Path
from datamon.store.backend.opening import open_backend
from datamon.store.bundle import Author
from datamon.store.opening import store_on
from datamon.store.sessions import add, complete
place, session, path, split, dies = sys.argv[1:]
backend = open_backend(place)
if dies == "dies":  # when its bytes are there and its entry is not
    complete._append = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
add.add_split(store_on(backend, backend, Author(split, "w@example.org")), add.AddRequest("r", session, Path(path), split))
"""


@pytest.fixture(params=["disk", "emulator"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "disk":
        yield str(tmp_path / "store")
        return
    with running_emulator() as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        make_bucket()
        yield "gs://sessions"


def make_bucket() -> None:

    emulator_client().create_bucket("sessions")


def write(place: str, session: str, path: Path, dies: str = "lives") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WRITER, place, session, str(path), path.name, dies]
    return subprocess.Popen(command, env={**os.environ, "HOME": str(path.parent)})


@pytest.mark.parametrize("mode", MODES)
def test_eight_writers_one_killed_and_one_retried_make_the_right_bundle(
    place: str, tmp_path: Path, mode: ConflictMode
) -> None:
    backend = open_backend(place)
    store = store_on(backend, backend, ADA)
    create_repo(store, "r", "")
    session = start_session(store, "r")
    trees = [tmp_path / "trees" / f"w{number}" for number in range(8)]
    for path in trees:
        path.mkdir(parents=True)
        (path / f"only.{path.name}").write_text(path.name)
        (path / "shared").write_text("same" if mode == "no-conflicts" else path.name)
    writers = [write(place, session.id, path, "dies" if path.name in ("w3", "w5") else "lives") for path in trees]
    codes = [writer.wait(120) for writer in writers]
    assert codes == [-signal.SIGKILL if number in (3, 5) else 0 for number in range(8)]
    assert write(place, session.id, trees[5]).wait(120) == 0
    made = commit_session(store, SessionCommit("r", session.id, "m", mode))
    assert [begun.split for begun in made.unfinished] == ["w3"]
    done = [path.name for path in trees if path.name != "w3"]
    top = {"with-conflicts": ".conflicts/", "with-checkpoints": ".checkpoints/"}.get(mode)
    aside = {f"{top}{name}/shared": name for name in done if name != "w5"} if top else {}
    shared = "same" if mode == "no-conflicts" else "w5"  # which came last
    expected = {"shared": shared, **{f"only.{name}": name for name in done}, **aside}
    download(store, made.bundle, tmp_path / "out")
    out = tmp_path / "out"
    assert {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()} == expected
