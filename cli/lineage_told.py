"""What a tree of lineage says of bundles and runs beside their names: when, how it ended, what is stale."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from datamon.cli.fitting import Part, Screen, fitted
from datamon.cli.marks import status_mark
from datamon.cli.short_ids import SHORTEST, short_ends
from datamon.cli.told_times import told, took
from datamon.query.answer import Answer
from datamon.query.drawing.drawn import AnswerGraph, DrawnNode
from datamon.query.drawing.labels import visible
from datamon.query.drawing.tree import fitted_branches

Ask = Callable[[str], Answer]
Facts = Mapping[str, object]
_NAMES, _MARGIN, _DEEPEST = 40, 20, 48
"""Columns that are left for what stands in a tree, where there are so many; such that always stand before it; and such that
never do, because nobody reads stairs."""
_FACTS = """
    SELECT id, time, message, run, deleted, NULL AS status, NULL AS duration_s, NULL AS params FROM bundles WHERE $same
    UNION ALL
    SELECT id, started, NULL, NULL, false, status, duration_s,
        (SELECT string_agg(name || '=' || value, ' ' ORDER BY name) FROM params WHERE params.run = runs.id)
    FROM runs WHERE $same"""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of the bundles and runs of a graph, by id: `facts`, the `short` ends of their ids, and the causes for which a
    bundle is `stale`."""

    now: datetime
    facts: Mapping[str, Facts] = field(default_factory=dict)
    short: Mapping[str, str] = field(default_factory=dict)
    stale: Mapping[str, Sequence[str]] = field(default_factory=dict)


def tell(ask: Ask, graph: AnswerGraph, now: datetime, *, stale: bool) -> Told:
    """What the store knows of the graph's nodes; what is stale only where that is asked for. Raises as `ask`."""
    facts, short = _facts(ask, [node.id for node in graph.nodes if node.kind in ("run", "bundle")])
    return Told(now, facts, short, _causes(ask) if stale else {})


def _facts(ask: Ask, ids: Sequence[str]) -> tuple[dict[str, Facts], dict[str, str]]:
    """What is known of each, and the end of its id that no other bundle or run of the store has. One question, because each
    takes as long as opening the index."""
    if not ids:
        return {}, {}
    same = f"right(id, {SHORTEST}) IN ({', '.join(sorted({literal(each[-SHORTEST:]) for each in ids}))})"
    known: dict[str, Facts] = {str(row["id"]): row for row in ask(_FACTS.replace("$same", same))}
    return known, short_ends([*known, *ids])


def literal(text: str) -> str:
    """The text as it stands in a statement.

    >>> literal("it's")
    "'it''s'"
    """
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def _causes(ask: Ask) -> dict[str, list[str]]:
    causes: dict[str, list[str]] = {}
    for row in ask("WHAT IS STALE"):
        several = causes.setdefault(str(row["output"]), [])
        if row["cause"] not in several:
            several.append(str(row["cause"]))
    return causes


def tree_lines(graph: AnswerGraph, told_of: Told, screen: Screen) -> Iterator[str]:
    """The lines of the graph as a tree, fitted to the screen."""
    room = _DEEPEST if screen.width is None else min(max(screen.width - _NAMES, _MARGIN), _DEEPEST)
    for branch in fitted_branches(graph, room):
        yield fitted(branch.drawn, parts_of(branch.node, told_of, again=branch.again), screen)


def parts_of(node: DrawnNode, told_of: Told, *, again: bool = False) -> list[Part]:
    """The line of a node: its name, how it stands, its id, then what can be left out; or where it comes again no more than that
    it does."""
    short = f"…{told_of.short[node.id]}" if node.id in told_of.short else visible(node.kind)
    identity = Part(short, "dim", 1 if again else 0)
    name = Part(_name(node), "magenta" if node.kind == "run" else "blue")
    if again:
        return [name, identity, Part("…", "dim")]
    if node.kind == "run":
        status, *rest = _of_run(told_of, node.id)
        return [name, status, identity, *rest]
    status, *rest = _of_bundle(told_of, node.id)
    return [name, status, identity, *rest]


def _name(node: DrawnNode) -> str:
    if node.repo and node.called == f"{node.repo}@{node.id}":
        return visible(node.repo)  # its id stands beside it
    return visible(node.called)


def _of_run(told_of: Told, run: str) -> Iterator[Part]:
    known = told_of.facts.get(run, {})
    seconds = known.get("duration_s")
    yield status_mark(str(known["status"])) if known else Part("")
    yield Part(_when(known.get("time"), told_of.now), rank=1)
    yield Part(took(seconds) if isinstance(seconds, float) else "", "dim", 3)
    yield Part(str(known.get("params") or ""), "dim", 2)


def _of_bundle(told_of: Told, bundle: str) -> Iterator[Part]:
    known = told_of.facts.get(bundle, {})
    causes = told_of.stale.get(bundle)
    stale = Part(f"stale: {', '.join(causes)}" if causes else "", "yellow")
    yield Part("✗ deleted", "red") if known.get("deleted") else stale
    yield Part(_when(known.get("time"), told_of.now), rank=1)
    message, run = str(known.get("message") or ""), known.get("run")
    own = run is not None and message.endswith(
        str(run)
    )  # what datamon says of a run's bundle, which the next line tells
    yield Part("" if own else message, "dim", 2)


def _when(time: object, now: datetime) -> str:
    return told(time, now) if isinstance(time, datetime) else ""
