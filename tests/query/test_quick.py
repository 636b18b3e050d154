"""Quick answers are the engine's answers, and load nothing that is slow to load."""

import subprocess
import sys
from pathlib import Path

from datamon.query.quick.of_store import answer
from datamon.query.testing.playing import play
from datamon.query.testing.quickly import differing, questions
from datamon.query.testing.random_histories import random_history
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import World
from datamon.store.opening import memory_store
from datamon.store.testing.clocks import SteppingClock

SLOW = ("duckdb", "_duckdb", "sqlglot", "pydantic", "typer", "rich", "networkx", "pyarrow", "numpy")


def test_a_story_has_quick_answers_that_are_the_engines(tmp_path: Path) -> None:
    story = Story()
    wrong, count = differing(story.world.store, tmp_path, questions(story.world.store))
    assert not wrong, "\n".join(wrong)
    assert count > 15


def test_generated_histories_have_quick_answers_that_are_the_engines(tmp_path: Path) -> None:
    answered = 0
    for seed in range(6):
        world = World(memory_store(clock=SteppingClock()))
        for event in random_history(seed):
            play(world, event)
        wrong, count = differing(world.store, tmp_path, questions(world.store))
        assert not wrong, "\n".join(wrong)
        answered += count
    assert answered > 100


def test_what_needs_sql_or_is_wrong_is_left_to_the_engine(tmp_path: Path) -> None:
    store = Story().world.store
    for text in (
        "SELECT 1",
        "EXPLAIN UPSTREAM OF 'model'",
        "UPSTREAM OF 'model' STOP AT (kind = 'run')",
        "UPSTREAM OF 'model' AS OF '2026-01-01'",
        "UPSTREAM OF 'nothing'",
        "UPSTREM OF 'model'",
        "DOWNSTREAM OF 'raw:people.csv'",
        "FROM runs",
    ):
        assert answer(store, text, index_dir=tmp_path) is None, text


def test_a_quick_answer_loads_nothing_slow(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from datamon.query.quick.of_store import answer
from datamon.store.opening import memory_store
answer(memory_store(), "UPSTREAM OF step 'x'", index_dir=Path({str(tmp_path)!r}))
print(sorted(set({SLOW!r}) & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
