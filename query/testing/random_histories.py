"""Random histories of a small world, the same for the same seed."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

REPOS = ("raw", "ext", "feat", "model", "report")
LABELS = ("v1", "prod")


@dataclass(frozen=True)
class Upload:
    """A person commits files."""

    repo: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Label:
    """A label is set to the head of `main`."""

    repo: str
    name: str
    frozen: bool


@dataclass(frozen=True)
class Unlabel:
    """A label is deleted."""

    repo: str
    name: str


@dataclass(frozen=True)
class Run:
    """A step runs. `reads` are (repo, ref, path), where the ref may be `id`: the head, by its id."""

    step: str
    reads: tuple[tuple[str, str, str], ...]
    writes: Mapping[str, Mapping[str, str]]
    fails: bool
    fingerprint: str
    param: str


Event = Upload | Label | Unlabel | Run

LENGTH = 26
CHAIN = (("s1", "raw", "feat"), ("s2", "feat", "model"), ("s3", "model", "report"))


def random_history(seed: int) -> Iterator[Event]:
    """A history of two thirds runs, in which things repeat often enough to meet again."""
    draw = random.Random(seed)  # noqa: S311 (a seeded history, no secret)
    for repo in REPOS[:2]:
        yield Upload(repo, _files(draw))
    for _ in range(LENGTH):
        kind = draw.choices(["run", "upload", "label", "unlabel"], [20, 5, 5, 1])[0]
        if kind == "run":
            yield _drawn_run(draw)
        elif kind == "upload":
            yield Upload(draw.choice(REPOS[:2]), _files(draw))
        elif kind == "label":
            yield Label(draw.choice(REPOS), draw.choice(LABELS), draw.random() < 0.2)
        else:
            yield Unlabel(draw.choice(REPOS), draw.choice(LABELS))
    if seed % 3 == 1:  # all is built in order once more, then its source changes
        for step, source, target in CHAIN:
            yield Run(step, ((source, "main", ""),), {target: {"f": "z"}}, False, "c3", "1")
        yield Upload("raw", {"f": "z"})


def _files(draw: random.Random) -> dict[str, str]:
    return {name: draw.choice("aab") for name in draw.choice([["f"], ["f", "g"]])}


def _drawn_run(draw: random.Random) -> Run:
    """Mostly a link of raw → feat → model → report, sometimes anything."""
    step, source, target = draw.choice(CHAIN)
    read = {(source, draw.choice(["main"] * 5 + ["main~1", "v1", "id"]))}
    written = [target]
    if draw.random() < 0.3:
        read.add((draw.choice(REPOS), draw.choice(["main", "v1", "prod"])))
    if draw.random() < 0.2:
        step, written = draw.choice([("s2", ["model", "ext"]), ("s4", ["feat"]), ("s4", ["ext"])])
    return Run(
        step,
        tuple((repo, ref, draw.choice(["", "", "f"])) for repo, ref in sorted(read)),
        {repo: _files(draw) for repo in written},
        draw.random() < 0.15,
        draw.choice(["c1"] * 5 + ["c2"]),
        draw.choice(["1", "1", "2"]),
    )
