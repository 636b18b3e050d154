"""STALE and its questions as rows: the facts come from the index, the definition from `lineage.staleness`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamon.errors import NotFound
from datamon.lineage.facts import Facts, Stale, Subject
from datamon.lineage.staleness import stale, subjects_of
from datamon.query.language.references import Target
from datamon.query.sources import columns_of

if TYPE_CHECKING:
    import duckdb  # only the types: quick answers do without the engine

Row = tuple[object, ...]

COLUMNS = columns_of.STALE


@dataclass(frozen=True, slots=True)
class Asked:
    """What is judged: `targets` alone where a reference was given, else all that refs hold, of `repo` alone where it was given.
    `because` keeps rows of one cause, `within` those so many hops away at most; `frozen` judges frozen labels too."""

    targets: tuple[Target, ...] | None = None
    repo: str | None = None
    because: str | None = None
    frozen: bool = False
    within: int | None = None


def stale_rows(facts: Facts, asked: Asked) -> list[Row]:
    """A row for each stale output and cause, nearest first."""
    if asked.targets is None:
        chosen = [each for each in subjects_of(facts, frozen=asked.frozen) if _is_in(each, asked.repo)]
    else:
        wanted = [target for target in asked.targets if asked.repo in (None, target.repo)]
        chosen = [Subject(target.id, target.held_by) for target in wanted]
    rows = stale(facts, chosen, frozen=asked.frozen)
    return [
        row_of(each)
        for each in rows
        if asked.because in (None, each.cause) and (asked.within is None or each.distance <= asked.within)
    ]


def written_by(connection: "duckdb.DuckDBPyConnection", run: str) -> list[Target]:
    """The bundles that a run wrote, for STALE OF run. Raises NotFound (`bundle-not-found`) when it wrote none."""
    rows = connection.execute(
        "SELECT repo, bundle, content FROM outputs WHERE run = ? ORDER BY repo, role, bundle", [run]
    ).fetchall()
    if not rows:
        raise NotFound("bundle-not-found", f"run {run} wrote no bundle that could be stale; name another", run=run)
    return [Target("bundle", bundle, "", repo, "", content) for repo, bundle, content in rows]


def _is_in(subject: Subject, repo: str | None) -> bool:
    return repo is None or (subject.ref is not None and subject.ref.partition("@")[0] == repo)


def row_of(each: Stale) -> Row:
    """As the relation has it."""
    return (
        each.output,
        each.ref,
        each.cause,
        each.subject,
        each.old,
        each.new,
        each.via,
        each.distance,
        each.last_status,
    )
