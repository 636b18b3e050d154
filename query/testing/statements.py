"""Statements about a history: every source and option, of things that are in it."""

import random
from collections.abc import Iterator, Sequence

_VIA = (
    "kind = 'run'",
    "repo = 'feat'",
    "name LIKE '%s2'",
    "ref IS NOT NULL",
    "repo IN (SELECT name FROM repos WHERE name > 'm')",
)
_STOPS = ("repo = 'feat'", "kind = 'run' AND name LIKE '%s3'", "ref = 'prod'", "id > 'F'")


def statements_about(
    bundles: Sequence[tuple[str, str]], runs: Sequence[str], refs: Sequence[tuple[str, str]], seed: int, count: int
) -> Iterator[str]:
    """So many statements, the same for the same seed, about bundles (repo, id), runs and refs (repo, name)."""
    draw = random.Random(seed)  # noqa: S311 (a seeded choice, no secret)
    for _ in range(count):
        repo, bundle = draw.choice(bundles)
        refs_of = [f"'{repo}@{bundle}'", f"run '{draw.choice(runs)}'" if runs else f"'{repo}@{bundle}'"]
        if refs:
            refs_of.append("'{}@{}'".format(*draw.choice(refs)))
        ref = draw.choice(refs_of)
        kind = draw.choice(["UPSTREAM", "DOWNSTREAM", "AFFECTED", "STALE", "WHY", "PRODUCED", "USED"])
        deleted = " INCLUDING deleted"
        if kind in ("UPSTREAM", "DOWNSTREAM"):
            further = ["param 'p=1'", f"'{repo}@{bundle}:f'"] if kind == "DOWNSTREAM" else []
            start = draw.choice([ref, ref, ref, *further])
            yield f"{kind} OF {start}{_walk(draw)}{deleted}"
        elif kind == "AFFECTED":
            change = draw.choice([f"'{repo}@{bundle}'", "param 'p'", "step 'default/s2'"])
            yield f"AFFECTED BY {change}{_walk(draw)}{deleted}"
        elif kind == "STALE":
            yield "STALE" + draw.choice(["", " WITHIN 1"]) + _using(draw) + draw.choice(["", " INCLUDING frozen"])
        elif kind == "WHY":
            yield f"WHY IS {draw.choice(refs_of[::2]) if refs else refs_of[0]} STALE"
        elif kind == "PRODUCED":
            yield f"WHAT PRODUCED '{repo}@{bundle}{draw.choice(['', ':f'])}'"
        else:
            yield f"WHAT USED {ref}{deleted}"


def _walk(draw: random.Random) -> str:
    said = draw.choice(["", "", " AT run", " AT bundle"])
    said += draw.choice(["", "", " WITHIN 1", " WITHIN 2", " WITHIN 0"])
    said += f" STOP AT ({draw.choice(_STOPS)})" if draw.random() < 0.25 else ""
    said += f" VIA ({draw.choice(_VIA)})" if draw.random() < 0.25 else ""
    return said + _using(draw) + draw.choice(["", "", " INCLUDING failed", " INCLUDING system"])


def _using(draw: random.Random) -> str:
    return draw.choice(["", "", "", " USING declared", " USING observed"])
