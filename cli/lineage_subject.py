"""What `datamon lineage` is asked about: a reference, or a run or bundle by its id or part of it."""

from dataclasses import dataclass

from datamon.cli.lineage_told import Ask, literal
from datamon.errors import NotFound
from datamon.store.ids import SHORTEST_PREFIX, is_ksuid
from datamon.store.opening import Store
from datamon.store.repos import find_repo
from datamon.store.resolve import find_by_part


@dataclass(frozen=True, slots=True)
class Way:
    """Which way to look, how many runs away at most (None: all of them), and whether at what was deleted too."""

    downstream: bool = False
    within: int | None = None
    deleted: bool = False


def lineage_of(ask: Ask, store: Store, reference: str, way: Way) -> str:
    """The source that has the lineage of a reference. The name of a repo comes before ids, which may be shortened as the tree
    shows them. Raises NotFound (`repo-not-found`, `bundle-not-found`), Invalid (`ambiguous-id`, `bad-name`)."""
    subject, deleted = literal(reference), way.deleted
    if "@" not in reference and ":" not in reference:
        found = _named(ask, store, reference.removeprefix("…"))
        subject, deleted = found[0], deleted or found[1]
    words = ["DOWNSTREAM OF" if way.downstream else "UPSTREAM OF", subject]
    if way.within is not None:
        words.append(f"WITHIN {way.within}")
    if deleted:
        words.append("INCLUDING deleted")
    return " ".join(words)


def _named(ask: Ask, store: Store, name: str) -> tuple[str, bool]:
    """How a statement names a repo, or a run or bundle by its id or part of it, and whether that was deleted."""
    if is_ksuid(name):
        found = _by_id(ask, name)
        if found is None:
            said = f"no bundle or run has the id {name!r}; `datamon bundle list` and `datamon run list` show those there are"
            raise NotFound("bundle-not-found", said, id=name)
        return found
    try:
        return literal(find_repo(store, name).name), False
    except NotFound:
        found = _by_id(ask, name)
        if found is None:
            raise
        return found


def _by_id(ask: Ask, part: str) -> tuple[str, bool] | None:
    """How a statement names the run or bundle of this id, and whether it was deleted; None when there is none."""
    if len(part) < SHORTEST_PREFIX:
        return None
    fits = f"starts_with(id, {literal(part)}) OR ends_with(id, {literal(part)})"
    runs = f"SELECT id, NULL AS repo, false AS deleted FROM runs WHERE {fits}"  # noqa: S608 (a literal)
    bundles = f"SELECT id, repo, deleted FROM bundles WHERE {fits}"  # noqa: S608 (a literal)
    rows = {str(row["id"]): row for row in ask(f"{runs} UNION ALL {bundles}")}
    if not rows:
        return None
    row = rows[find_by_part(part, sorted(rows))]
    if row["repo"] is None:
        return f"RUN {literal(str(row['id']))}", False
    return literal(f"{row['repo']}@{row['id']}"), bool(row["deleted"])
