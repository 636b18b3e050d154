"""Entries that a side wrote after another was promoted: their bundles are kept, and nothing else of them counts."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from datamon.errors import Conflict, Corrupt, DatamonError, NotFound
from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.codec import Record, decode_sealed
from datamon.store.ids import RepoId, SessionId
from datamon.store.log import RepoState, StoreState
from datamon.store.manifest import read_manifest
from datamon.store.opening import Store
from datamon.store.reliance import Reliance

_KEPT = re.compile(r"stranded/([a-z0-9-]+)/((?:repos/([0-9A-Za-z]{27})/)?log/([0-9]{20}))\.([0-9A-Za-z]{27})")


@dataclass(frozen=True, slots=True)
class Kept:
    """A stranded entry as it is kept: the side it stood on, its log (None: the store's own), its number there, and its record."""

    key: str
    side: str
    repo: RepoId | None
    number: int
    record: Record

    @property
    def origin(self) -> Record:
        """What an entry that stands in for it says of it."""
        return {"side": self.side, "epoch": self.record.get("epoch", ""), "number": self.number}

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that it made, if it is a commit."""
        if self.record["kind"] != "commit" or self.repo is None:
            return None
        return Bundle.from_record(self.repo, self.record["bundle"])

    @property
    def not_done(self) -> str:
        """In words what it says that is not carried out."""
        moves = [move["ref"] for move in self.record.get("moves", ())]
        told = [f"moves {', '.join(map(repr, moves))}"] if moves else []
        if self.record["kind"] not in ("commit", "move", "repo-created"):
            told.insert(0, f"is a {self.record['kind']}")
        return " and ".join(told)


def kept_entries(store: Store) -> list[Kept]:
    """Every stranded entry that is kept, those of the store's own log first, each log's in order. What cannot be read is left
    out."""
    found = []
    for stored in store.metadata.list(layout.STRANDED):
        match = _KEPT.fullmatch(stored.key)
        if match:
            with suppress(Corrupt, NotFound):
                record = decode_sealed(store.metadata.get(stored.key), stored.key)
                repo = RepoId(match[3]) if match[3] else None
                found.append(Kept(stored.key, match[1], repo, int(match[4]), record))
    return sorted(found, key=lambda each: (each.repo or "", each.side, each.number))


def keep_bundles(store: Store) -> list[Bundle]:
    """Every bundle of a stranded entry stands in its repo's log when this returns, without that a ref has moved; returns those
    that had to be put there. A repo that only a stranded entry made is made again, under another name where its own is taken.

    A bundle of which a gc has taken something away is left out: `datamon check` tells of it. Raises Unavailable, Conflict
    (`log-contended`).
    """
    made = []
    for kept in kept_entries(store):
        if kept.repo is None and kept.record["kind"] == "repo-created":
            _keep_repo(store, kept)
        bundle = kept.bundle
        if bundle is None or bundle.id in store.logs.repo(bundle.repo).bundles:
            continue
        try:
            _commit(store, kept, bundle)
        except (Corrupt, Conflict) as error:
            if error.code == "log-contended":
                raise
            continue
        made.append(bundle)
    return made


class _Standing(Exception):  # noqa: N818 (not an error: it is there)
    """What was to be made is there."""


def _keep_repo(store: Store, kept: Kept) -> None:
    record = kept.record

    def make(state: StoreState) -> Record:
        if record["repo"] in state.repos or record["repo"] in state.deleted:
            raise _Standing
        names = [
            record["name"],
            *(f"{record['name']}-{kept.side}-{number}" for number in range(1, len(state.names) + 2)),
        ]
        name = next(each for each in names if each not in state.names)
        fields = {"repo": record["repo"], "name": name, "description": record["description"]}
        return {"kind": "repo-created", **fields, "stranded": kept.origin}

    with suppress(_Standing):
        store.logs.append(None, make)


def _commit(store: Store, kept: Kept, bundle: Bundle) -> None:
    session = kept.record["session"]
    reliance = Reliance(
        store, read_manifest(store.metadata, bundle.manifest), SessionId(session) if session else None, None
    )

    def make(state: RepoState) -> Record:
        if bundle.id in state.bundles:
            raise _Standing
        reliance.check(state, store.logs.store())
        return {
            "kind": "commit",
            "bundle": kept.record["bundle"],
            "session": session,
            "moves": [],
            "stranded": kept.origin,
        }

    with suppress(_Standing):
        store.logs.append(bundle.repo, make)


def lost_bundles(store: Store, kept: Sequence[Kept]) -> Iterator[tuple[Kept, Bundle]]:
    """The bundles of stranded entries that stand in no log."""
    for each in kept:
        bundle = each.bundle
        if bundle is not None:
            with suppress(DatamonError):
                if bundle.id in store.logs.repo(bundle.repo).bundles:
                    continue
            yield each, bundle
