"""The logs, entry by entry: what can be read is read, whatever lies beside it."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from datamon.errors import Corrupt
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.bundle import Bundle, Entry
from datamon.store.check.findings import Finding, damage, told_by
from datamon.store.fetching import get_many
from datamon.store.ids import BundleId, JointId, RepoId, SessionId, is_ksuid
from datamon.store.log_entries import decode_entry
from datamon.store.log_state import StoreState
from datamon.store.opening import Store
from datamon.store.repos import runs_repo
from datamon.store.sessions.joint import JointSession, folded, open_trees

_REPO_ENTRY = re.compile(r"repos/([0-9A-Za-z]{27})/log/([0-9]{20})")
_STORE_ENTRY = re.compile(r"log/([0-9]{20})")


@dataclass
class Book:
    """One log as far as it can be read. `entry_ids` holds the id of entry n at n - 1, None where it cannot be read; `whole`
    says that all can. `bundles` are those of every entry that can be read, `sessions` those that wrote for them."""

    repo: RepoId | None
    name: str
    entry_ids: list[str | None] = field(default_factory=list)
    bundles: dict[BundleId, Bundle] = field(default_factory=dict)
    deleted: set[BundleId] = field(default_factory=set)
    sessions: set[SessionId] = field(default_factory=set)
    condemned: set[str] = field(default_factory=set)
    joint: Mapping[JointId, JointSession] = field(default_factory=dict)
    whole: bool = True

    @property
    def live(self) -> list[Bundle]:
        """The bundles that were not deleted, oldest first, and the completed splits of open sessions."""
        return [bundle for bundle in self.bundles.values() if bundle.id not in self.deleted] + open_trees(self.joint)


@dataclass(frozen=True)
class Ledger:
    """All logs of a store. `repos` has a book for every repo that has entries, those of deleted repos too; `gone` are these."""

    own: Book
    repos: dict[RepoId, Book]
    gone: frozenset[RepoId]

    @property
    def live(self) -> Iterator[tuple[Book, Bundle]]:
        """Every bundle that can be asked for, with its repo's book."""
        for repo, book in self.repos.items():
            if repo not in self.gone:
                for bundle in book.live:
                    yield book, bundle

    @property
    def sessions(self) -> frozenset[SessionId]:
        """Every session that a commit names."""
        return frozenset(session for book in self.repos.values() for session in book.sessions)

    @property
    def condemned(self) -> frozenset[str]:
        """Names of packs and keys of metadata that gc may have taken away."""
        return frozenset(self.own.condemned.union(*(book.condemned for book in self.repos.values())))


def examine_logs(store: Store) -> Generator[Finding, None, Ledger]:
    """Every entry of every log is sealed, is at its number, follows the one before it, and agrees with it; gives what they say.
    All logs are in memory afterwards, without what only their entries say."""
    keys = _listed(store.metadata)  # before the store's log is read: a repo stands there before its first entry
    own = Book(None, "the store's own log")
    state = yield from _examine_own(store.metadata, keys.pop(None, []), own)
    repos: dict[RepoId, Book] = {}
    hidden = runs_repo(store)
    for repo, listed in keys.items():
        assert repo is not None
        known = state.repos.get(repo) or (hidden if repo == hidden.id else None)
        if known is None and repo not in state.deleted and own.whole:
            yield _unknown_repo(repo)
        book = Book(repo, known.name if known else repo)
        entries = _examine(store.metadata, repo, listed, book)
        yield from _chained(entries, book)
        repos[repo] = book
    return Ledger(own, repos, frozenset(state.deleted))


def _listed(metadata: Backend) -> dict[RepoId | None, list[tuple[int, str]]]:
    """Number and key of each entry there is, by log."""
    found: dict[RepoId | None, list[tuple[int, str]]] = {}
    for stored in metadata.list(layout.STORE_LOG):
        if match := _STORE_ENTRY.fullmatch(stored.key):
            found.setdefault(None, []).append((int(match[1]), stored.key))
    for stored in metadata.list(layout.REPOS):
        if match := _REPO_ENTRY.fullmatch(stored.key):
            found.setdefault(RepoId(match[1]), []).append((int(match[2]), stored.key))
    return found


def _examine_own(
    metadata: Backend, listed: Sequence[tuple[int, str]], book: Book
) -> Generator[Finding, None, StoreState]:
    """The store's state as far as its own log can be read without a gap."""
    entries: list[Entry] = []
    for met in _examine(metadata, None, listed, book):
        if isinstance(met, Finding):
            yield met
        elif book.whole:
            entries.append(met)
    try:
        return StoreState().extended(entries) if entries else StoreState()
    except (KeyError, TypeError) as error:
        book.whole = False
        message = f"the store's own log does not agree with itself ({error!r}); run `datamon repair --from` with a copy"
        yield damage("bad-record", message, layout.STORE_LOG)
        return StoreState()


def _examine(
    metadata: Backend, repo: RepoId | None, listed: Sequence[tuple[int, str]], book: Book
) -> Iterator[Entry | Finding]:
    """The entries that can be read, in order, and what is wrong with the others; the book is filled as they come."""
    listed = sorted((*listed, *_unlisted(metadata, repo, listed)))
    contents = get_many(metadata, [key for _, key in listed])
    for (number, key), content in zip(listed, contents, strict=True):
        while len(book.entry_ids) < number - 1:
            book.entry_ids.append(None)
            yield _gap(metadata, repo, len(book.entry_ids), book)
        try:
            entry = decode_entry(repo, number, content, f"{metadata.url}/{key}")
        except Corrupt as error:
            book.entry_ids.append(None)
            book.whole = False
            yield told_by(error, key)
            continue
        book.entry_ids.append(entry.id)
        book.condemned |= entry.condemned
        yield entry


def _unlisted(metadata: Backend, repo: RepoId | None, listed: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Number and key of the entries in gaps of a listing that are there all the same: one that is made beside a writer may show
    an entry and not the one before it."""
    numbers = {number for number, _ in listed}
    for number in range(1, max(numbers, default=0)):
        key = layout.log_entry(repo, number)
        if number not in numbers and metadata.has(key):
            yield number, key


def _gap(metadata: Backend, repo: RepoId | None, number: int, book: Book) -> Finding:
    book.whole = False
    key = layout.log_entry(repo, number)
    message = (
        f"{metadata.url}/{key} is missing and others follow it; run `datamon repair --from` with a copy of the store"
    )
    return damage("entry-missing", message, key)


def _chained(met: Iterator[Entry | Finding], book: Book) -> Iterator[Finding]:
    """Each entry agrees with those before it, as long as none is missing."""
    refs: dict[str, BundleId] = {}
    time_ns = 0
    for entry in met:
        if isinstance(entry, Finding):
            yield entry
            continue
        fault = _fault(entry, book, refs, time_ns) if book.whole else None
        if fault:
            key = layout.log_entry(book.repo, entry.number)
            yield damage(
                "bad-record", f"{key} does not agree with the entries before it ({fault}); please report it", key
            )
        time_ns = entry.time_ns
        _follow(entry, book, refs)


def _fault(entry: Entry, book: Book, refs: dict[str, BundleId], time_ns: int) -> str | None:
    known = book.bundles.keys() | {bundle.id for bundle in entry.bundles}
    moved = dict(refs)
    for move in entry.moves:
        if moved.get(move.ref) != move.old:
            return f"it moves {move.ref!r} from where it does not stand"
        if move.new is not None and move.new not in known:
            return f"it moves {move.ref!r} to a bundle that is not there"
        if move.new is not None:
            moved[move.ref] = move.new
        else:
            moved.pop(move.ref, None)
    if entry.time_ns <= time_ns:
        return "its time is not after theirs"
    if any(bundle.id in book.bundles for bundle in entry.bundles):
        return "it makes a bundle that is there"
    return None if known.issuperset(entry.deleted) else "it deletes a bundle that is not there"


def _follow(entry: Entry, book: Book, refs: dict[str, BundleId]) -> None:
    for move in entry.moves:
        if move.new is None:
            refs.pop(move.ref, None)
        else:
            refs[move.ref] = move.new
    book.bundles.update((bundle.id, bundle) for bundle in entry.bundles)
    book.deleted.update(entry.deleted)
    if book.repo is not None and book.whole:
        book.joint = folded(book.repo, book.joint, [entry])
    session = entry.record.get("session")
    if isinstance(session, str) and is_ksuid(session):
        book.sessions.add(SessionId(session))


def _unknown_repo(repo: RepoId) -> Finding:
    key = layout.log(repo)
    message = (
        f"the store's log knows no repo {repo}, which has entries under {key}; run `datamon repair --from` with a copy"
    )
    return Finding("unknown-repo", "damage", message, key, repo=repo)
