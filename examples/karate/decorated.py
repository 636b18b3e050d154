"""The same pipeline by decorators: run it where `fetch.py raw` has written the raw data.

Usage: python decorated.py RAW_DIR

It leaves the lineage that commands.sh leaves: the same pipeline, steps, repos and edges, and the same contents.
"""

import sys
from pathlib import Path

import evaluate as measuring
import prepare as preparing
import train as fitting

import datamon
from datamon.errors import Conflict


@datamon.step(inputs={"raw": "raw"}, outputs={"features": "features"}, pipeline="karate")
def prepare(raw: Path, features: Path, test_share: float = 0.3) -> None:
    """Raw tables to features."""
    preparing.prepare(raw, features, test_share)


@datamon.step(inputs={"features": "features"}, outputs={"model": "model"}, pipeline="karate")
def train(features: Path, model: Path, rounds: int = 400) -> None:
    """Features to a model."""
    fitting.train(features, model, rounds)


def evaluate() -> None:
    """The model on members it has not seen; as a block, because it has metrics to tell."""
    with datamon.run("evaluate", pipeline="karate") as run:
        report = run.output("report")
        for name, value in measuring.evaluate(run.input("features"), run.input("model"), report).items():
            run.metric(name, value)


def main() -> None:
    """Makes the repos, commits the raw data, runs the three steps."""
    for name in ("raw", "features", "model", "report"):
        try:
            datamon.create_repo(name)
        except Conflict:
            continue
    datamon.upload("raw", Path(sys.argv[1]), message="as networkx ships it")
    prepare()
    train(rounds=400)
    evaluate()
    for row in datamon.ask("WHAT IS STALE"):
        print(row)


if __name__ == "__main__":
    main()
