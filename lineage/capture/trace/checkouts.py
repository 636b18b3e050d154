"""Which bundle lies in a directory of this machine, as far as datamon put it there."""

from pathlib import Path

from datamon.lineage.records import InputRecord
from datamon.store.bundle import Bundle, Repo
from datamon.store.checkout import changed_paths
from datamon.store.ids import ManifestId
from datamon.store.manifest import part_content, read_manifest
from datamon.store.opening import Store
from datamon.store.repos import list_repos
from datamon.store.worktree import read_note


class Checkouts:
    """The directories of this machine that datamon filled from one store, asked one by one and remembered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._filled: dict[Path, bool] = {}

    def holding(self, path: Path) -> Path | None:
        """The nearest directory above `path` that datamon filled; None when there is none."""
        return next((above for above in path.parents if self._is_filled(above)), None)

    def record(self, directory: Path, taken: set[str]) -> InputRecord | None:
        """The bundle in `directory` as an input that was observed, under a role that is not among `taken`; with what differs
        there by now. None when the store has no such bundle now. Raises as `changed_paths`, NotFound, Corrupt, Unavailable."""
        note = read_note(self._store, directory)
        if note is None or note.done is None:
            return None
        found = self._newest(note.done.manifest)
        if found is None:
            return None
        repo, bundle = found
        manifest = read_manifest(self._store.metadata, bundle.manifest)
        return InputRecord(
            role=_free(repo.name, taken),
            repo=repo.id,
            repo_name=repo.name,
            ref=None,
            ref_kind="id",
            bundle=bundle.id,
            content=part_content(self._store.metadata, manifest, note.done.part),
            path=note.done.part,
            how="observed",
            changed=tuple(changed_paths(self._store, directory)),
            directory=str(directory),
        )

    def _is_filled(self, directory: Path) -> bool:
        known = self._filled.get(directory)
        if known is None:
            note = read_note(self._store, directory)
            known = self._filled[directory] = note is not None and note.done is not None
        return known

    def _newest(self, manifest: ManifestId) -> tuple[Repo, Bundle] | None:
        bundles = [
            (bundle.time_ns, repo, bundle)
            for repo in list_repos(self._store)
            for bundle in self._store.logs.repo(repo.id).bundles.values()
            if bundle.manifest == manifest
        ]
        return max(bundles, key=lambda each: each[0])[1:] if bundles else None


def _free(name: str, taken: set[str]) -> str:
    """`name`, with the first number behind it that makes it another than those taken."""
    numbered = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    return next(each for each in numbered if each not in taken)
