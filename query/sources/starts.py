"""What a package, a param, a commit or a step's code leads to: the runs that had it."""

from dataclasses import dataclass

import duckdb

from datamon.query.asking import Asking, World
from datamon.query.graph.in_memory import Node
from datamon.query.language.faults import fault, hint
from datamon.query.language.references import Target
from datamon.query.language.statement import Ref
from datamon.query.revisions import commits_between
from datamon.query.values import text_of

OF_RUNS = ("env", "param", "code")
"""Forms of references that mean what runs have in common."""


@dataclass(frozen=True, slots=True)
class Starts:
    """Where a walk begins: at the nodes, or, with `themselves`, at something that leads to these runs. `target` is what a
    reference to a bundle or a run means."""

    nodes: tuple[Node, ...]
    themselves: bool = False
    target: Target | None = None


def starts_of(asking: Asking, world: World, ref: Ref) -> Starts:
    """Where a walk from a reference begins. Raises errors that point at the reference."""
    if ref.form not in OF_RUNS:
        target = asking.target(ref)
        return Starts((Node(target.kind, target.id),), target=target)
    typed = text_of(asking.text, ref.value, asking.params)
    if ref.form == "env":
        runs = _with_package(asking, world.connection, ref, typed)
    elif ref.form == "param":
        runs = _with_param(asking, world.connection, ref, typed)
    else:
        runs = _at_commits(asking, world, ref, typed)
    asking.note(f"{ref.form} {typed!r} is of {len(runs):,} run{'' if len(runs) == 1 else 's'}")
    return Starts(tuple(Node("run", run) for run in runs), themselves=True)


def _with_package(asking: Asking, connection: duckdb.DuckDBPyConnection, ref: Ref, typed: str) -> list[str]:
    name, equal, version = typed.partition("==")
    if not name.strip() or (equal and not version.strip()):
        raise fault(asking.text, ref.span, "expected a package as 'name' or 'name==version'", code="bad-reference")
    rows = connection.execute(
        "SELECT run FROM env WHERE name = $1 AND ($2 = '' OR version = $2) ORDER BY run",
        [name.strip(), version.strip()],
    ).fetchall()
    if not rows:
        known = connection.execute("SELECT DISTINCT name FROM env WHERE name = $1", [name.strip()]).fetchall()
        names = (
            [] if known else [n for (n,) in connection.execute("SELECT DISTINCT name FROM kept.packages").fetchall()]
        )
        asking.note(f"no run had {typed}{hint(name.strip(), names) or '; FROM env lists what runs had'}")
    return [run for (run,) in rows]


def _with_param(asking: Asking, connection: duckdb.DuckDBPyConnection, ref: Ref, typed: str) -> list[str]:
    name, equal, value = typed.partition("=")
    if not name:
        raise fault(asking.text, ref.span, "expected a param as 'name' or 'name=value'", code="bad-reference")
    rows = connection.execute(
        "SELECT DISTINCT run FROM params WHERE name = $1 AND ($2 OR value = $3) ORDER BY run", [name, not equal, value]
    ).fetchall()
    if not rows:
        names = [n for (n,) in connection.execute("SELECT DISTINCT name FROM params").fetchall()]
        asking.note(f"no run was given {typed}{hint(name, names) or '; FROM params lists what runs were given'}")
    return [run for (run,) in rows]


def _at_commits(asking: Asking, world: World, ref: Ref, typed: str) -> list[str]:
    recorded = world.connection.execute("SELECT DISTINCT git_commit FROM runs WHERE git_commit IS NOT NULL").fetchall()
    wanted = commits_between(asking, ref, typed, frozenset(commit for (commit,) in recorded))
    rows = world.connection.execute(
        "SELECT id FROM runs WHERE git_commit IN (SELECT unnest(?::VARCHAR[])) ORDER BY id", [sorted(wanted)]
    ).fetchall()
    return [run for (run,) in rows]
