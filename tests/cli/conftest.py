"""People at a terminal, for the tests of the command line."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datamon.cli.main import main
from datamon.cli.testing import Ran, Shell
from datamon.store.testing.store_places import PLACES, StorePlace

Inside = Callable[..., Ran]
Golden = Callable[[str, str], None]
GOLDEN = Path(__file__).parent / "golden"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
OVERRIDES = ("DATAMON_CONFIG", "DATAMON_CONTEXT", "DATAMON_METADATA", "DATAMON_BLOB", "DATAMON_HOME", "COLUMNS")
ADA = {"DATAMON_NAME": "Ada", "DATAMON_EMAIL": "ada@example.org"}


def run_inside(shell: Shell, *words: str) -> int:
    """Runs `datamon` for a person in this process and gives its exit code."""
    with pytest.MonkeyPatch.context() as patched:
        for name in OVERRIDES:
            patched.delenv(name, raising=False)
        for name, value in shell.environment.items():
            patched.setenv(name, value)
        patched.chdir(shell.cwd)
        return main(list(words))


@pytest.fixture
def inside(capfd: pytest.CaptureFixture[str]) -> Inside:
    """Runs `datamon` for a person in this process: a tenth of the time, for what needs no process of its own."""

    def run(shell: Shell, *words: str) -> Ran:
        capfd.readouterr()
        code = run_inside(shell, *words)
        return Ran(code, *capfd.readouterr())

    return run


# What they add to the others is only that two ills come together, and each whole session over them takes half a minute.
LONG = "spoilt bucket without a cache", "mirrored cached spoilt bucket"


@pytest.fixture(params=[pytest.param(place, marks=pytest.mark.slow if place in LONG else ()) for place in PLACES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorePlace]:
    """A place for a store, of each kind."""
    yield from PLACES[request.param](tmp_path)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A person with an empty home in an empty directory, whose name the environment says."""
    return settled(tmp_path)


@pytest.fixture
def orders(tmp_path: Path, orders_once: Shell) -> Shell:
    """A person who has a repo `orders` with one bundle of two files, labelled `init`, and the files in `tree`."""
    shutil.copytree(orders_once.home.parent, tmp_path, dirs_exist_ok=True)
    return Shell(tmp_path / "home", tmp_path / "work", ADA)


@pytest.fixture(scope="session")
def orders_once(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The same person for every test: for lines that change nothing."""
    shell = settled(tmp_path_factory.mktemp("orders"))
    tree = shell.cwd / "tree"
    tree.mkdir()
    (tree / "a.csv").write_text("id,price\n1,3\n")
    (tree / "b.csv").write_text("id,price\n2,4\n")
    for file in tree.iterdir():
        file.chmod(0o644)
    assert run_inside(shell, "repo", "create", "--repo", "orders", "--description", "d") == 0
    line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "first", "--label", "init")
    assert run_inside(shell, *line) == 0
    return shell


def settled(root: Path) -> Shell:
    """A person whose home and working directory lie below `root`."""
    home, cwd = root / "home", root / "work"
    home.mkdir()
    cwd.mkdir()
    return Shell(home, cwd, ADA)


@pytest.fixture
def golden() -> Golden:
    """Compares a text with the golden file of a name; a file that is not there is written, to be looked at and committed."""

    def agrees(name: str, text: str) -> None:
        file = GOLDEN / f"{name}.txt"
        if not file.exists():
            file.write_text(numbered(text), encoding="utf-8")
            pytest.fail(f"{file} is new: look at it")
        assert numbered(text) == file.read_text(encoding="utf-8")

    return agrees


def numbered(text: str) -> str:
    """`text` with ids, hashes and times numbered in the order in which they first stand there."""
    seen: dict[str, str] = {}

    def name(kind: str) -> Callable[[re.Match[str]], str]:
        return lambda m: seen.setdefault(m[0], f"<{kind}{sum(v[1] == kind[0] for v in seen.values()) + 1}>")

    text = TIME.sub("<time>", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", name("hash"), text)
    return re.sub(r"\b[0-9A-Za-z]{27}\b", name("id"), text)
