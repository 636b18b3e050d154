"""Taking from a copy of the store what is damaged or missing here, each thing verified before it is taken."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from datamon.errors import Corrupt, Invalid, NotFound
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.check.check import Diagnosis
from datamon.store.check.findings import Finding
from datamon.store.ids import RepoId
from datamon.store.journal_merges import decode_merges
from datamon.store.log_entries import decode_entry
from datamon.store.named import plain_key
from datamon.store.opening import Store
from datamon.store.repair.verify import replace_named, verify_bytes

_BLOBS = (layout.PACKS, layout.INDEX)
_LOG_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something that a check found damaged or missing: the key under which it should lie."""

    key: str

    @property
    def is_blob(self) -> bool:
        """Whether it lies in the blob backend. `blobs.json` is made again, not taken."""
        return self.key.startswith(_BLOBS)


def wanted_keys(findings: Iterable[Finding]) -> list[Wanted]:
    """What a copy may help with, by what a check found; the last entry of a log, which may be lost, too."""
    keys = {
        finding.key: None
        for finding in findings
        if finding.key is not None and (finding.is_damage or finding.code == "entry-missing")
    }
    return [Wanted(key) for key in keys if not key.endswith("/") and key != layout.BLOBS]


def take_from_copy(store: Store, copy: Store, wanted: Sequence[Wanted], diagnosis: Diagnosis) -> int:
    """Of what is wanted as much stands here as the copy has whole; returns how much that is. What was damaged is replaced by the
    bytes that were stored, in one step; nothing is put under a name that a collector condemned, and no entry into a log that the
    journal does not say was meant for it.

    Raises Invalid (`newer-format`), Denied, Unavailable.
    """
    return sum(_take(store, copy, each, diagnosis) for each in wanted)


def _take(store: Store, copy: Store, wanted: Wanted, diagnosis: Diagnosis) -> bool:
    key = wanted.key
    here, there = (store.blob, copy.blob) if wanted.is_blob else (store.metadata, copy.metadata)
    if key == layout.JOURNAL_FILE:
        return False  # not one thing but many: see `repair.journal`
    for content in _offers(there, key):
        if not _is_right(copy, key, content, diagnosis) or not _fits(here, key, content):
            continue
        return _put(here, key, content, diagnosis.ledger.condemned)
    return False


def _offers(there: Backend, key: str) -> Iterator[bytes]:
    """What the copy has under the key or, of what is named by a hash, under another incarnation of it."""
    plain = plain_key(key)
    names = dict.fromkeys([key, plain])
    if plain.startswith((layout.MANIFESTS, layout.SEGMENTS, layout.STATS)):
        names.update(dict.fromkeys(stored.key for stored in there.list(f"{plain}.")))
    for name in names:
        try:
            yield there.get(name)
        except NotFound:
            continue


def _is_right(copy: Store, key: str, content: bytes, diagnosis: Diagnosis) -> bool:
    try:
        verify_bytes(key, content)
        return (
            not layout.is_log_entry(key) or key.startswith(layout.MERGES) or _was_meant(copy, key, content, diagnosis)
        )
    except Corrupt:
        return False
    except Invalid as error:
        if error.code == "newer-format":
            raise
        return False


def _fits(here: Backend, key: str, content: bytes) -> bool:
    """Whether a merge of the journal is this store's: a copy that was written to for itself merged other segments."""
    if not key.startswith(layout.MERGES):
        return True
    return all(here.has(segment.key) for segment in decode_merges(content, key).segments)


def _was_meant(copy: Store, key: str, content: bytes, diagnosis: Diagnosis) -> bool:
    """Whether the entry is the one that stood here: the journal says so or, where it has lost that, the next entry is the same in
    both. A copy that was written to for itself has other entries at the same numbers."""
    number = int(key[-_LOG_DIGITS:])
    folder = key.removesuffix(key[-_LOG_DIGITS:])
    repo = None if folder == layout.STORE_LOG else RepoId(folder.split("/")[1])
    entry = decode_entry(repo, number, content, key)
    meant = diagnosis.meant.get(key)
    if meant:
        return entry.id in meant
    book = diagnosis.ledger.own if repo is None else diagnosis.ledger.repos.get(repo)
    following = book.entry_ids[number] if book and number < len(book.entry_ids) else None
    if following is None:
        return False
    try:
        next_key = layout.log_entry(repo, number + 1)
        return decode_entry(repo, number + 1, copy.metadata.get(next_key), next_key).id == following
    except NotFound:
        return False


def _put(here: Backend, key: str, content: bytes, condemned: frozenset[str]) -> bool:
    """Whether it stands here now."""
    if key.startswith(layout.PACKS):
        if key.rpartition("/")[2] in condemned:
            return False  # its deletion may be on its way: its chunks get another pack
        here.put(key, content)
    elif key.startswith((layout.MANIFESTS, layout.SEGMENTS, layout.STATS)):
        replace_named(here, key, content, condemned)
    elif here.has(key):
        here.put(key, content)
    else:
        here.put_if_absent(key, content)
    return True
