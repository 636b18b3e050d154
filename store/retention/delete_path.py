"""`repo delete files`: paths taken out of every bundle of a repo, as if they had never been there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from datamon.errors import Invalid, NotFound
from datamon.store.bundle import Bundle, Move, Repo
from datamon.store.codec import Record
from datamon.store.entries import clean_path
from datamon.store.ids import BundleId, new_ksuid
from datamon.store.log import RepoState
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.reliance import condemned_names
from datamon.store.repos import check_text
from datamon.store.retention.cut_paths import PathCuts
from datamon.store.retention.ref_moves import refs_at, refuse_frozen
from datamon.store.tombstones import live_bundles


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was rewritten: each bundle that had one of the paths with the one that stands in for it now, in the order of their
    commits, and the moves of the refs that pointed at them."""

    bundles: tuple[tuple[Bundle, Bundle], ...] = ()
    moves: tuple[Move, ...] = ()


def plan_delete_paths(store: Store, repo: Repo, paths: Sequence[str], progress: Progress = SILENT) -> list[Bundle]:
    """The bundles that `delete_paths` would rewrite now; nothing is changed. Raises as it does."""
    cuts = PathCuts(store.metadata, _parts(paths))
    return _affected(store.logs.repo(repo.id), repo, cuts, progress)


def delete_paths(
    store: Store, repo: Repo, paths: Sequence[str], *, reason: str | None = None, progress: Progress = SILENT
) -> Rewritten:
    """No live bundle of the repo has a file or directory at one of `paths` when this returns. Each that had one is deleted, and a
    new bundle without the path stands in for it: with its message, author, run and role, with the replacements of its parents,
    and with the refs that pointed at it. All of that is one log entry, or nothing is changed; what the entry points at is durable
    before. Bundles that others commit meanwhile are rewritten too. Bytes stay until `gc`.

    Raises NotFound (`path-not-found`) when no live bundle has anything at one of the paths, Conflict (`ref-frozen`) when a frozen
    label points at one that has, Invalid (`bad-path`, `bad-argument`), Corrupt when a manifest cannot be read.
    """
    check_text("reason", reason or "")
    cuts = PathCuts(store.metadata, _parts(paths))
    ids: dict[BundleId, BundleId] = {}
    rewritten = Rewritten()

    def make(state: RepoState) -> Record:
        nonlocal rewritten
        affected = _affected(state, repo, cuts, progress)
        for bundle in affected:
            ids.setdefault(bundle.id, BundleId(new_ksuid(store.clock())))
        rewritten = _Rewriting(cuts, ids, condemned_names(store, state)).of(
            state, affected, store.logs.next_time_ns(state)
        )
        return _record(rewritten, reason)

    store.logs.append(repo.id, make)
    return rewritten


def _parts(paths: Sequence[str]) -> tuple[str, ...]:
    parts = tuple(dict.fromkeys(map(clean_path, paths)))
    if not parts or "" in parts:
        raise Invalid(
            "bad-path",
            "a whole bundle is no path inside it; name a file or a directory, or use `bundle delete`",
            path="",
        )
    return parts


def _affected(state: RepoState, repo: Repo, cuts: PathCuts, progress: Progress) -> list[Bundle]:
    live = live_bundles(state)
    affected = []
    progress.begin("looking for the paths", len(live), None)
    try:
        for bundle in live:
            if cuts.found_in(bundle.manifest):
                affected.append(bundle)
            progress.advance(1, 0)
    finally:
        progress.end()
    for path in cuts.paths:
        if not any(path in cuts.found_in(bundle.manifest) for bundle in affected):
            raise NotFound(
                "path-not-found",
                f"no bundle of {repo.name!r} has anything at {path!r}; nothing was changed: name what there is",
                repo=repo.name,
                path=path,
            )
    refuse_frozen(repo, refs_at(state, (bundle.id for bundle in affected)))
    return affected


@dataclass(frozen=True, slots=True)
class _Rewriting:
    """How bundles are rewritten: `ids` are those of the new ones by those of the old, `condemned` the names that no manifest may
    rely on. Their chunks are in use without a gap, so those need no care (`condemned_names`)."""

    cuts: PathCuts
    ids: dict[BundleId, BundleId]
    condemned: frozenset[str]

    def of(self, state: RepoState, affected: Sequence[Bundle], time_ns: int) -> Rewritten:
        """The new bundles, whose manifests are durable when this returns, and the refs' moves to them."""
        refs = refs_at(state, (old.id for old in affected))
        moves = [Move(ref.name, ref.kind, ref.bundle, self.ids[ref.bundle]) for ref in refs]
        return Rewritten(tuple((old, self._new(old, time_ns)) for old in affected), tuple(moves))

    def _new(self, old: Bundle, time_ns: int) -> Bundle:
        manifest = self.cuts.without(old.manifest, self.condemned)
        return replace(
            old,
            id=self.ids[old.id],
            manifest=manifest.id,
            content=manifest.content,
            entries=manifest.entries,
            size_bytes=manifest.size_bytes,
            parents=tuple(self.ids.get(parent, parent) for parent in old.parents),
            time_ns=time_ns,
        )


def _record(rewritten: Rewritten, reason: str | None) -> Record:
    return {
        "kind": "delete",
        "time": rewritten.bundles[0][1].time_ns,
        "bundles": [old.id for old, _ in rewritten.bundles],
        "made": [new.to_record() for _, new in rewritten.bundles],
        "replaced": {old.id: new.id for old, new in rewritten.bundles},
        "moves": [move.to_record() for move in rewritten.moves],
        "reason": reason,
    }
