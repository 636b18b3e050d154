"""The facts of staleness: what the index knows, what the store holds, and what the working tree says of now."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from datamon.errors import Corrupt, NotFound
from datamon.lineage.facts import (
    BundleFact,
    EnvironmentFact,
    Facts,
    InputFact,
    OutputFact,
    ParamFact,
    Part,
    RefFact,
    RunFact,
    at_position,
)
from datamon.lineage.modules import Sources
from datamon.lineage.records import Run, RunOpened, combine
from datamon.lineage.working_tree import Now, WorkingTree, look
from datamon.query.gone import without_bytes
from datamon.query.language.statement import Using
from datamon.query.parts_read import PartsRead, parts_read
from datamon.query.place import Place
from datamon.query.relevant import BUNDLES, RUNS, find_relevant
from datamon.store.ids import ManifestId
from datamon.store.manifest import part_content, read_manifest
from datamon.store.opening import Store

Connection = duckdb.DuckDBPyConnection
Grouped = dict[str, list[tuple[Any, ...]]]


def gather_facts(
    store: Store,
    connection: Connection,
    place: Place,
    *,
    asked: Collection[str] = (),
    using: Using = "any",
    judging: bool = False,
    at_hand: "AtHand | None" = None,
) -> Facts:
    """The facts as an index connection and the working tree at `place` have them, for judging what refs hold and the bundles
    `asked`. Of now (code, params, parts, missing bytes) they say what can matter for these, not more. Of the reads, `using` says
    which count: those that were declared, whatever was seen of them, or those alone that were seen. With `judging`, of runs and
    bundles too only those are there that can matter. `at_hand` is what `look_now` gave for the same question.

    Manifests are read only for inputs that are parts of a bundle, or whose reads were observed, and where a pack is
    absent. Raises Corrupt, Unavailable.
    """
    at_hand = at_hand or look_now(store, connection, place, asked=asked, using=using)
    of_runs = of_bundles = ""
    if judging:
        judged = _judged(connection, asked)
        find_relevant(connection, judged.runs, judged.bundles)
        of_runs, of_bundles = f"IN (FROM {RUNS})", f"WHERE id IN (FROM {BUNDLES})"
    bundles = _all(connection, f"SELECT id, repo, content, run FROM bundles {of_bundles}")  # noqa: S608 (names of ours)
    return Facts(
        runs=tuple(_runs(connection, at_hand.read, using, of_runs)),
        bundles=tuple(BundleFact(*row) for row in bundles),
        refs=tuple(_refs(connection)),
        contents={**at_hand.contents, **at_hand.read.contents},
        code_now=at_hand.now.code,
        params_now=at_hand.now.params,
        environment_now=at_hand.now.environment,
        missing=at_hand.missing,
    )


@dataclass(frozen=True, slots=True)
class AtHand:
    """What only the store and the working tree know: everything of `Facts` that no table holds. `tree` is the working tree, where
    one was looked at."""

    tree: WorkingTree | None
    now: Now
    read: PartsRead
    contents: dict[tuple[str, str], str]
    missing: frozenset[str]


def look_now(
    store: Store, connection: Connection, place: Place, *, asked: Collection[str] = (), using: Using = "any"
) -> AtHand:
    """What of now can matter for judging what refs hold and the bundles `asked`. Raises as `gather_facts`."""
    judged = _judged(connection, asked)
    tree = None
    if place.cwd is not None:
        tree = WorkingTree(place.cwd, place.host, Sources(place.texts), place.variables)
    return AtHand(
        tree,
        Now() if tree is None else look(tree, opened_runs(connection, judged.runs)),
        PartsRead() if using == "declared" else parts_read(store, connection, judged.runs),
        _contents(store, connection, judged.runs),
        _missing(store, connection, judged.bundles, bytes_too=not place.past),
    )


def opened_runs(connection: Connection, runs: Collection[str]) -> Iterator[RunOpened]:
    """The opening records of these runs."""
    return (run.opened for run in recorded_runs(connection, runs))


def recorded_runs(connection: Connection, runs: Collection[str]) -> Iterator[Run]:
    """What is recorded of these runs, in the order of their ids."""
    told = _grouped(
        connection,
        "SELECT run, record FROM kept.journal_events WHERE run IN (SELECT unnest(?::VARCHAR[]))",
        sorted(runs),
    )
    for run in sorted(runs):
        combined = combine(json.loads(record) for (record,) in told.get(run, ()))
        if combined is not None:
            yield combined


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is judged: bundles, and the successful runs that produced their content."""

    bundles: list[str]
    runs: list[str]


def _all(connection: Connection, sql: str, *values: object) -> list[tuple[Any, ...]]:
    return connection.execute(sql, values or None).fetchall()


def _judged(connection: Connection, asked: Collection[str]) -> _Judged:
    bundles = _all(
        connection,
        """SELECT bundle FROM labels UNION SELECT bundle FROM branches UNION SELECT unnest(?::VARCHAR[])""",
        sorted(asked),
    )
    held = [bundle for (bundle,) in bundles]
    runs = _all(
        connection,
        """SELECT DISTINCT o.run FROM outputs o JOIN bundles b ON b.id = o.bundle JOIN runs r ON r.id = o.run
        WHERE r.status = 'succeeded' AND (b.repo, b.content) IN (
            SELECT (h.repo, h.content) FROM bundles h WHERE h.id IN (SELECT unnest(?::VARCHAR[])))""",
        held,
    )
    return _Judged(held, [run for (run,) in runs])


def _runs(connection: Connection, read: PartsRead, using: Using, some: str) -> Iterator[RunFact]:
    """All runs, or those of `some`, an IN with what stands behind it."""
    where = f"WHERE run {some}" if some else ""
    inputs = _inputs(connection, read, using, f"AND run {some}" if some else "")
    outputs = _outputs(connection, f"WHERE o.run {some}" if some else "")
    params = _grouped(connection, f"SELECT run, name, value, source FROM params {where}")  # noqa: S608 (a name of ours)
    policies = _grouped(connection, f"SELECT run, name, value FROM kept.policies {where}")  # noqa: S608 (as above)
    which = f"WHERE id {some}" if some else ""
    for run, pipeline, step, status, started, fingerprint in _all(
        connection,
        f"SELECT id, pipeline, step, status, epoch_us(started) * 1000, fingerprint FROM runs {which}",  # noqa: S608
    ):
        yield RunFact(
            id=run,
            pipeline=pipeline,
            step=step,
            status=status,
            started_ns=started,
            fingerprint=fingerprint,
            inputs=tuple(inputs.get(run, ())),
            outputs=tuple(outputs.get(run, ())),
            params=tuple(ParamFact(*row) for row in params.get(run, ())),
            environment=tuple(EnvironmentFact(*row) for row in policies.get(run, ())),
        )


def _grouped(connection: Connection, sql: str, *values: object) -> Grouped:
    """Rows by their first column, without it."""
    rows: Grouped = defaultdict(list)
    for first, *rest in _all(connection, sql, *values):
        rows[first].append(tuple(rest))
    return rows


def _inputs(connection: Connection, read: PartsRead, using: Using, some: str) -> dict[str, list[InputFact]]:
    """A run's inputs; of those that nobody declared, such as were read by a ref. One that lacks its repo's name now (its repo is
    gone) keeps the recorded one."""
    facts: dict[str, list[InputFact]] = defaultdict(list)
    for run, role, repo, ref, kind, bundle, path, content in _all(
        connection,
        f"""SELECT run, role, repo, ref, ref_kind, bundle, path, content FROM inputs
        WHERE (how IN ('declared', 'imported') OR (NOT ? AND how = 'observed' AND ref IS NOT NULL))
            AND (NOT ? OR (run, role) IN (
                SELECT (i.run, i.role) FROM kept.inputs i WHERE i.observed)) {some}""",  # noqa: S608 (a name of ours)
        using == "declared",
        using == "observed",
    ):
        parts = read.parts.get((run, role), (Part(path, content),))
        absent = read.absent.get((run, role), ())
        facts[run].append(InputFact(role, repo, ref, kind, bundle, parts, absent))
    return facts


def _outputs(connection: Connection, where: str) -> dict[str, list[OutputFact]]:
    """What runs put into slots, and the plans of those that put nothing there. What stands in for a deleted output counts as what
    the run put there: it has the position of the deleted one."""
    facts: dict[str, list[OutputFact]] = defaultdict(list)
    replaced = dict(_all(connection, "SELECT bundle, replaced_by FROM kept.deletions WHERE replaced_by IS NOT NULL"))
    rows = _all(
        connection,
        f"""SELECT o.run, o.role, coalesce(r.shown, o.repo_name), o.branch, o.bundle, b.position
        FROM kept.outputs o LEFT JOIN kept.repos r ON r.id = o.repo
        LEFT JOIN kept.bundles b ON b.repo = o.repo AND b.id = o.bundle {where}""",  # noqa: S608 (a name of ours)
    )
    for run, role, repo, branch, written, position in rows:
        bundle = written
        while bundle in replaced:
            bundle = replaced[bundle]
        if bundle is None or position is None:
            facts[run].append(OutputFact(role, repo, branch))
        else:
            facts[run].append(OutputFact(role, repo, branch, bundle, at_position(position)))
    return facts


def _refs(connection: Connection) -> Iterator[RefFact]:
    for repo, name, bundle, frozen in _all(connection, "SELECT repo, name, bundle, frozen FROM labels"):
        yield RefFact(repo, name, "label", bundle, frozen)
    for repo, name, bundle in _all(connection, "SELECT repo, name, bundle FROM branches"):
        yield RefFact(repo, name, "branch", bundle)


def _contents(store: Store, connection: Connection, runs: list[str]) -> dict[tuple[str, str], str]:
    """Contents of parts in the bundles that the refs of inputs give now; a part that is not there is not in it."""
    wanted = _all(
        connection,
        """SELECT DISTINCT h.bundle, i.path, b.manifest
        FROM inputs i
        JOIN (SELECT repo, name, bundle FROM labels UNION ALL SELECT repo, name, bundle FROM branches) h
            ON h.repo = i.repo AND h.name = i.ref
        JOIN bundles b ON b.repo = h.repo AND b.id = h.bundle
        WHERE i.path <> '' AND i.ref_kind IN ('branch', 'label') AND h.bundle <> i.bundle
            AND i.run IN (SELECT unnest(?::VARCHAR[]))
        ORDER BY b.manifest, i.path, h.bundle""",
        runs,
    )
    contents: dict[tuple[str, str], str] = {}
    for bundle, path, manifest in wanted:
        found = _part(store, ManifestId(manifest), path)
        if found is not None:
            contents[bundle, path] = found
    return contents


def _part(store: Store, manifest: ManifestId, path: str) -> str | None:
    try:
        return part_content(store.metadata, read_manifest(store.metadata, manifest), path)
    except NotFound as error:
        if error.code == "path-not-found":
            return None
        raise Corrupt(
            "missing-bytes", f"the manifest {manifest} is gone; restore the store from a copy", manifest=manifest
        ) from error


def _missing(store: Store, connection: Connection, bundles: list[str], *, bytes_too: bool) -> frozenset[str]:
    rows = _all(
        connection, "SELECT id, manifest, deleted FROM bundles WHERE id IN (SELECT unnest(?::VARCHAR[]))", bundles
    )
    whole = sorted({manifest for _, manifest, deleted in rows if not deleted})
    lacking = without_bytes(store, whole) if bytes_too else frozenset[str]()
    return frozenset(bundle for bundle, manifest, deleted in rows if deleted or manifest in lacking)
