"""What a commit relies on: refused where a collector has condemned it (docs/design.md, "Garbage collection").

A log's order decides: an entry is tried behind everything that the log said when it was checked, so a collector's condemnation is
either seen here, or it comes later, and then the collector sees the bundle.
"""

from collections.abc import Iterable

from datamon.errors import Conflict
from datamon.store.ids import SessionId
from datamon.store.log import RepoState, StoreState
from datamon.store.named import keys_of, usable_key
from datamon.store.opening import Store
from datamon.store.roots import Manifest


class Reliance:
    """What one bundle to be relies on: its manifest, the session that wrote for it, and the packs of other sessions that it
    `reused`; None where these are not known, because the manifest was taken over from somewhere."""

    def __init__(
        self, store: Store, manifest: Manifest, session: SessionId | None, reused: frozenset[str] | None
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._session = session
        self._reused = reused
        self._passed: frozenset[str] = frozenset()

    def check(self, state: RepoState, own: StoreState) -> None:
        """Returns when an entry behind `state` may make the bundle. `own` is the state of the store's log, read since the repo
        was created: what was condemned before that is in no log of the repo's.

        Raises Conflict: `session-fenced` when a collector gave the session up for dead, `condemned` when something on which the
        bundle relies may be gone any moment. After either a new session puts again what is missing.
        """
        if self._session in state.fenced or self._session in own.fenced:
            raise Conflict(
                "session-fenced",
                f"a gc gave up the upload {self._session} as abandoned and takes its packs away; upload again",
                session=self._session,
            )
        condemned = state.condemned | own.condemned
        if condemned == self._passed or self._is_live(state):
            return
        _refuse_lost(self._missing_keys(condemned))
        _refuse_lost(self._missing_places(condemned) if self._reused is None else sorted(self._reused & condemned))
        self._passed = condemned

    def _is_live(self, state: RepoState) -> bool:
        """Whether the repo has a live bundle of this very manifest. Then everything is in use in this log without a gap: what is
        condemned of it was spared, and stays until the last bundle that relies on it is deleted."""
        return self._reused is None and any(
            bundle.manifest == self._manifest.id and bundle.id not in state.deleted for bundle in state.bundles.values()
        )

    def _missing_keys(self, condemned: frozenset[str]) -> Iterable[str]:
        metadata = self._store.metadata
        at_risk = (key for key in keys_of(self._manifest) if key in condemned)
        return (key for key in at_risk if usable_key(metadata, key, condemned) is None)

    def _missing_places(self, condemned: frozenset[str]) -> Iterable[str]:
        # Imported at first use: it brings pyarrow, which a commit that knows what it reused does not need.
        from datamon.store.reach import Reach

        chunks = self._store.chunks
        named = Reach(self._store.metadata, chunks.get).walk(self._manifest)
        return (chunk.hex() for ids in named for chunk in chunks.unplaced(ids.to_pylist(), condemned))


def condemned_names(store: Store, state: RepoState) -> frozenset[str]:
    """The packs and metadata keys on which nothing behind `state` may rely. An entry that makes bundles out of live ones of its
    own repo needs no other care than to write their manifests without these: their chunks stay in use without a gap."""
    return state.condemned | store.logs.store().condemned


def _refuse_lost(lost: Iterable[str]) -> None:
    name = next(iter(lost), None)
    if name is not None:
        raise Conflict(
            "condemned",
            f"a gc takes away {name}, on which the bundle relies; upload again, which puts it anew",
            name=name,
        )
