"""DIFF: in what two bundles, or two runs, differ."""

from collections.abc import Iterator

from datamon.lineage.differences import Kind, RunSide, differences
from datamon.query.asking import Asking, Row, Rows, World
from datamon.query.language.faults import fault
from datamon.query.language.references import Target
from datamon.query.language.statement import ASPECTS, Aspect, Diff
from datamon.query.sources.runs_behind import run_behind, side_of
from datamon.store.bundle import Bundle
from datamon.store.diff import Change, diff_bundles
from datamon.store.entries import Holding
from datamon.store.ids import BundleId
from datamon.store.repos import find_repo

COLUMNS = (("kind", "VARCHAR"), ("name", "VARCHAR"), ("change", "VARCHAR"), ("old", "VARCHAR"), ("new", "VARCHAR"))
_KINDS: dict[Aspect, Kind] = {"params": "param", "code": "code", "env": "env", "inputs": "input"}


def rows_of_diff(asking: Asking, world: World, source: Diff) -> Rows:
    """Files by path, then what the runs that wrote the two, or are the two, differ in. Raises errors that point at their
    place."""
    old, new = asking.target(source.old), asking.target(source.new)
    if old.kind != new.kind:
        raise fault(
            asking.text, source.new.span, f"expected another {old.kind}: a bundle cannot be compared with a run"
        )
    rows: list[Row] = []
    if "files" in source.on:
        rows += _files(world, old, new) if old.kind == "bundle" else _files_of_runs(world, old, new)
    kinds = [_KINDS[each] for each in ASPECTS if each in source.on and each != "files"]
    sides = [side_of(world, run_behind(world, target)) for target in (old, new)] if kinds else []
    if kinds and None in sides:
        whole = source.on == frozenset(ASPECTS)
        told = [name for name, side in zip((old, new), sides, strict=True) if side is None]
        if not whole or len(told) == 1:
            asking.note(f"no recorded run wrote {' nor '.join(each.id for each in told)}: only files can be compared")
    elif kinds:
        one, other = (side for side in sides if side is not None)
        rows += _of_runs(one, other, kinds)
    if not rows:
        asking.note("they are alike")
    return Rows(COLUMNS, rows)


def _of_runs(old: RunSide, new: RunSide, kinds: list[Kind]) -> Iterator[Row]:
    for each in differences(old, new, kinds):
        yield each.kind, each.name, each.change, each.old, each.new


def _files(world: World, old: Target, new: Target) -> Iterator[Row]:
    was, now = (_bundle(world, target.repo, target.id) for target in (old, new))
    for change in diff_bundles(world.store, was, now):
        if _is_below(change.path, old.path) or _is_below(change.path, new.path):
            yield _row(change, "")


def _is_below(path: str, top: str) -> bool:
    return not top or path == top or path.startswith(f"{top}/")


def _files_of_runs(world: World, old: Target, new: Target) -> Iterator[Row]:
    """Of each output that both wrote to one place, the files; of one that only one wrote, the whole."""
    sides = [
        {
            f"{repo}@{branch}": (repo, bundle, content)
            for repo, branch, bundle, content in world.connection.execute(
                "SELECT repo, branch, bundle, content FROM outputs WHERE run = ? ORDER BY repo, branch", [target.id]
            ).fetchall()
        }
        for target in (old, new)
    ]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        was, now = sides[0].get(name), sides[1].get(name)
        if was is None or now is None:
            contents = (was[2] if was else None, now[2] if now else None)
            yield "file", name, "added" if was is None else "deleted", *contents
        elif was[2] != now[2]:
            bundles = (_bundle(world, repo, bundle) for repo, bundle, _ in (was, now))
            yield from (_row(change, f"{name}:") for change in diff_bundles(world.store, *bundles))


def _bundle(world: World, repo: str, bundle: str) -> Bundle:
    return world.store.logs.repo(find_repo(world.store, repo).id).bundles[BundleId(bundle)]


def _row(change: Change, before: str) -> Row:
    return "file", f"{before}{change.path}", change.change, _content(change.old), _content(change.new)


def _content(holding: Holding | None) -> str | None:
    if holding is None:
        return None
    return holding.target if holding.kind == "symlink" else holding.content
