"""The graph's file whose process is killed: whatever the step, the next one that asks has everything, and nothing wrong."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datamon.query.graph import file as graph_file
from datamon.query.graph.check import check_graph
from datamon.query.graph.file import GraphFile
from datamon.query.testing import killed_graph
from datamon.query.testing.playing import play
from datamon.query.testing.random_histories import random_history
from datamon.query.testing.worlds import World
from datamon.store.bundle import Author
from datamon.store.opening import Places, Store, open_store
from datamon.store.testing.clocks import SteppingClock

FEW = 12


@pytest.fixture(autouse=True)
def _always_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_file, "LEAST_PACKED", killed_graph.LEAST_PACKED)
    monkeypatch.setattr(graph_file, "LEAST_TOUCHED", killed_graph.LEAST_TOUCHED)


class Scene:
    """A store in `place` with a graph's file that lacks the second half of its history, or with none."""

    def __init__(self, place: Path, *, is_there: bool) -> None:
        self.place = place
        self.store: Store = open_store(
            Places(f"{place}/metadata", f"{place}/blob"), Author("Ada", "ada@example.org"), clock=SteppingClock()
        )
        world, events = World(self.store), list(random_history(4))
        for event in events[: len(events) // 2]:
            play(world, event)
        self.before = place / "before"
        if is_there:
            with GraphFile(self.store, self.before).opened() as file:
                assert file is not None
        for event in events[len(events) // 2 :]:
            play(world, event)

    def level(self, index: Path, step: int) -> subprocess.CompletedProcess[str]:
        """The file, as it was before, is made level by a process that is killed at a step (0: at none)."""
        directory = index / self.store.id / "graph"
        shutil.rmtree(index, ignore_errors=True)
        directory.parent.mkdir(parents=True)
        if self.before.exists():
            shutil.copytree(self.before, directory)
        words = [sys.executable, "-m", killed_graph.__name__, str(self.place), str(directory), str(step)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def judge(self, index: Path) -> None:
        """The next process that asks has everything, and leaves no more than it needs."""
        directory = index / self.store.id / "graph"
        with GraphFile(self.store, directory).opened() as file:
            assert file is not None
        assert check_graph(self.store, index) == []
        assert GraphFile(self.store, directory).rebuild()
        kinds = sorted(path.suffix for path in directory.iterdir() if path.name.startswith("graph-"))
        assert kinds == [".arrays", ".sqlite"]


def _killed(scene: Scene, index: Path, steps: list[int]) -> None:
    for step in steps:
        ended = scene.level(index, step)
        assert ended.returncode == -signal.SIGKILL, (step, ended.stderr)
        scene.judge(index)


def _steps(scene: Scene, index: Path) -> int:
    ended = scene.level(index, 0)
    assert ended.returncode == 0, ended.stderr
    scene.judge(index)
    return int(ended.stdout)


@pytest.mark.parametrize("is_there", [True, False], ids=["refreshed", "made"])
def test_a_kill_at_a_few_steps_loses_nothing(tmp_path: Path, *, is_there: bool) -> None:
    scene = Scene(tmp_path, is_there=is_there)
    count = _steps(scene, tmp_path / "index")
    assert count > 50
    _killed(scene, tmp_path / "index", sorted({1, count, *random.Random(count).sample(range(2, count), FEW - 2)}))


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [True, False], ids=["refreshed", "made"])
def test_a_kill_at_any_step_loses_nothing(tmp_path: Path, *, is_there: bool) -> None:
    scene = Scene(tmp_path, is_there=is_there)
    count = _steps(scene, tmp_path / "index")
    _killed(scene, tmp_path / "index", list(range(1, count + 1)))
