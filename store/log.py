"""The logs, one for each repo and the store's own: read to the tail, folded into a state, extended by one entry at a time.

An entry is made by `put_if_absent` at the next number, which exactly one writer wins. That order is the only order there is:
no clock and no id takes part in it.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from datamon.errors import Conflict, Corrupt, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend, has_durably
from datamon.store.bundle import Author, Bundle, Entry, Move, Ref, Repo
from datamon.store.clock import Clock
from datamon.store.codec import Record, decode_sealed, encode_sealed, stamped
from datamon.store.fetching import get_many
from datamon.store.ids import BundleId, RepoId, RunId, SessionId, new_ksuid
from datamon.store.journal import Journal

ATTEMPTS = 100
"""How often one entry is tried before the log counts as contended."""
_CALM_ATTEMPTS = 3
_LONGEST_PAUSE_S = 0.1
_REPO_KINDS = frozenset({"commit", "move", "delete", "condemn", "swept"})
_STORE_KINDS = frozenset({"repo-created", "repo-renamed", "repo-deleted", "condemn", "swept"})


@dataclass(frozen=True, slots=True)
class RepoState:
    """A repo's log folded up to entry `number`. It never changes: a longer log is another state.

    `bundles` are all ever committed, in commit order; `deleted` says which entry deleted some of them.
    `history` is every move of every ref, in order. `condemned` are the pack names and metadata keys that no commit may rely on
    any more, `fenced` the sessions that may not commit.
    """

    repo: RepoId
    number: int = 0
    time_ns: int = 0
    bundles: Mapping[BundleId, Bundle] = field(default_factory=dict)
    refs: Mapping[str, Ref] = field(default_factory=dict)
    history: Sequence[tuple[Entry, Move]] = ()
    deleted: Mapping[BundleId, Entry] = field(default_factory=dict)
    condemned: frozenset[str] = frozenset()
    fenced: frozenset[SessionId] = frozenset()
    entries: Sequence[Entry] = ()

    def extended(self, entries: Sequence[Entry]) -> "RepoState":
        """The state after these next entries."""
        bundles, refs, deleted = dict(self.bundles), dict(self.refs), dict(self.deleted)
        history = list(self.history)
        for entry in entries:
            bundles.update((bundle.id, bundle) for bundle in entry.bundles)
            for move in entry.moves:
                history.append((entry, move))
                _apply(move, entry, refs)
            deleted.update(dict.fromkeys(entry.deleted, entry))
        last = entries[-1]
        return RepoState(
            repo=self.repo,
            number=last.number,
            time_ns=last.time_ns,
            bundles=bundles,
            refs=refs,
            history=history,
            deleted=deleted,
            condemned=self.condemned.union(*(entry.condemned for entry in entries)),
            fenced=self.fenced.union(*(entry.fenced for entry in entries)),
            entries=[*self.entries, *entries],
        )

    def check(self, record: Record) -> None:
        """Raises Conflict (`ref-moved`) when a move in `record` says another old value than the log."""
        now = {name: ref.bundle for name, ref in self.refs.items()}
        for move in map(Move.from_record, record.get("moves", ())):
            if now.get(move.ref) != move.old:
                raise Conflict(
                    "ref-moved",
                    f"{move.ref!r} was moved by someone else meanwhile; look again, then decide",
                    ref=move.ref,
                )
            if move.new is None:
                del now[move.ref]
            else:
                now[move.ref] = move.new


def _apply(move: Move, entry: Entry, refs: dict[str, Ref]) -> None:
    if move.new is None:
        refs.pop(move.ref, None)
        return
    refs[move.ref] = Ref(
        name=move.ref,
        kind=move.ref_kind,
        bundle=move.new,
        frozen=move.frozen,
        author=entry.author,
        time_ns=entry.time_ns,
        number=entry.number,
    )


@dataclass(frozen=True, slots=True)
class StoreState:
    """The store's own log folded up to entry `number`: the repos there are, by id and by name; what was condemned and fenced
    (as in RepoState), and what of it is `swept`. It never changes."""

    number: int = 0
    time_ns: int = 0
    repos: Mapping[RepoId, Repo] = field(default_factory=dict)
    names: Mapping[str, Repo] = field(default_factory=dict)
    deleted: Mapping[RepoId, Entry] = field(default_factory=dict)
    condemned: frozenset[str] = frozenset()
    fenced: frozenset[SessionId] = frozenset()
    swept: frozenset[str] = frozenset()
    entries: Sequence[Entry] = ()

    def extended(self, entries: Sequence[Entry]) -> "StoreState":
        """The state after these next entries."""
        repos, deleted = dict(self.repos), dict(self.deleted)
        for entry in entries:
            if entry.kind == "repo-created":
                created = _created(entry)
                repos[created.id] = created
            elif entry.kind == "repo-renamed":
                renamed = repos[RepoId(entry.record["repo"])]
                repos[renamed.id] = replace(renamed, name=entry.record["name"])
            elif entry.kind == "repo-deleted":
                gone = repos.pop(RepoId(entry.record["repo"]))
                deleted[gone.id] = entry
        last = entries[-1]
        names = {repo.name: repo for repo in repos.values()}
        return StoreState(
            number=last.number,
            time_ns=last.time_ns,
            repos=repos,
            names=names,
            deleted=deleted,
            condemned=self.condemned.union(*(entry.condemned for entry in entries)),
            fenced=self.fenced.union(*(entry.fenced for entry in entries)),
            swept=self.swept.union(*(entry.swept for entry in entries)),
            entries=[*self.entries, *entries],
        )

    def check(self, record: Record) -> None:
        """Every record may follow: what a repo's name must be is checked where it is given."""


def _created(entry: Entry) -> Repo:
    record = entry.record
    return Repo(RepoId(record["repo"]), record["name"], record["description"], entry.author, entry.time_ns)


@dataclass(frozen=True, slots=True)
class Pacing:
    """How a writer that lost several times waits: what sleeps (seconds), and what draws a number in [0, 1)."""

    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Setting:
    """What all logs of a store share: where they lie, where intents go, who writes, and when."""

    metadata: Backend
    journal: Journal
    author: Author
    clock: Clock
    pacing: Pacing = Pacing()


class Logs:
    """All logs of a store, as far as this process has read them. Every method may be called from any thread."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._store_log = _Log(setting, None, StoreState())
        self._repo_logs: dict[RepoId, _Log[RepoState]] = {}
        self._lock = threading.Lock()

    def repo(self, repo: RepoId) -> RepoState:
        """The repo's state at the tail of its log; reads only what is new since the last call in this process."""
        return self._log(repo).state()

    def store(self) -> StoreState:
        """The store's state at the tail of its own log."""
        return self._store_log.state()

    def entries_after(self, repo: RepoId | None, number: int) -> list[Entry]:
        """The entries of a repo's log (of the store's own for None) behind entry `number`, to the tail. Those before it are
        not read."""
        return self._store_log.after(number) if repo is None else self._log(repo).after(number)

    @overload
    def append(self, repo: None, make: Callable[[StoreState], Record]) -> Entry: ...
    @overload
    def append(self, repo: RepoId, make: Callable[[RepoState], Record]) -> Entry: ...
    def append(self, repo: RepoId | None, make: Callable[[Any], Record]) -> Entry:
        """One entry more stands in the log, durable, when this returns it; when this raises, nothing is changed.

        `make` is given the state at the tail, raises to refuse, and otherwise gives the entry's `kind` and fields (and its
        `time`, if it needs to know that: `next_time_ns`). It is called again whenever another writer was first. An entry
        whose answer was lost is known by its id. Raises what `make` raises, Conflict (`log-contended`) after `ATTEMPTS`
        losses, and Unavailable when the backend fails; should the backend carry out a failed write later, the entry stands.
        """
        if repo is None:
            return self._store_log.append(make)
        return self._log(repo).append(make)

    def next_time_ns(self, state: RepoState | StoreState) -> int:
        """The time of an entry that follows `state`: now, or one more than the last entry's when the clock stands or falls."""
        return max(self._setting.clock(), state.time_ns + 1)

    def _log(self, repo: RepoId) -> "_Log[RepoState]":
        with self._lock:
            if repo not in self._repo_logs:
                self._repo_logs[repo] = _Log(self._setting, repo, RepoState(repo))
            return self._repo_logs[repo]


class _State(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def entries(self) -> Sequence[Entry]: ...
    def extended(self, entries: Sequence[Entry]) -> Self: ...
    def check(self, record: Record) -> None: ...


_S = TypeVar("_S", bound=_State)


class _Log(Generic[_S]):
    """One log, as far as this process has read it."""

    def __init__(self, setting: Setting, repo: RepoId | None, state: _S) -> None:
        self._setting = setting
        self._repo = repo
        self._state = state
        self._reading = threading.Lock()
        # Threads of this process take turns, so that only other processes are ever lost to.
        self._appending = threading.RLock()

    def state(self) -> _S:
        with self._reading:
            entries = self._tail(self._state.number)
            if entries:
                self._state = self._folded(entries)
            return self._state

    def after(self, number: int) -> list[Entry]:
        with self._reading:
            if self._state.number < number:
                return self._tail(number)
        return list(self.state().entries[number:])

    def append(self, make: Callable[[_S], Record]) -> Entry:
        setting = self._setting
        entry_id = new_ksuid(setting.clock())
        with self._appending:
            for attempt in range(ATTEMPTS):
                self._pause(attempt)
                state = self.state()
                fields = make(state)
                state.check(fields)
                record = self._record(state, fields, entry_id)
                intent = {"kind": "intent", "repo": self._repo, "number": state.number + 1, "entry": entry_id}
                setting.journal.append(intent)
                entry = self._put(state.number + 1, entry_id, encode_sealed(record))
                if entry is not None:
                    return entry
        raise Conflict(
            "log-contended",
            f"{ATTEMPTS} other writers were first at {self._where(state.number)}; try again when fewer write at once",
            repo=self._repo,
        )

    def _pause(self, attempt: int) -> None:
        if attempt >= _CALM_ATTEMPTS:
            longest_s = min(_LONGEST_PAUSE_S, 0.001 * 2 ** (attempt - _CALM_ATTEMPTS))
            self._setting.pacing.sleep(longest_s * self._setting.pacing.draw())

    def _record(self, state: _S, fields: Record, entry_id: str) -> Record:
        time_ns = fields.get("time", max(self._setting.clock(), state.time_ns + 1))
        own = {
            "number": state.number + 1,
            "entry": entry_id,
            "time": time_ns,
            "author": self._setting.author.to_record(),
        }
        return stamped(fields["kind"], {**fields, **own})

    def _put(self, number: int, entry_id: str, content: bytes) -> Entry | None:
        """The entry, when it stands in the log as `number`; None when another writer's does."""
        lost_answer: Unavailable | None = None
        won = False
        try:
            won = self._setting.metadata.put_if_absent(layout.log_entry(self._repo, number), content)
        except Unavailable as error:
            lost_answer = error
        if won:
            return self._won(number, content)
        # Whether this write was carried out is what the log says, not what the answer said.
        state = self.state()
        if state.number < number and lost_answer is not None:
            raise lost_answer
        entry = state.entries[number - 1] if state.number >= number else None
        if entry is None or entry.id != entry_id:
            return None
        has_durably(self._setting.metadata, layout.log_entry(self._repo, number))
        return entry

    def _won(self, number: int, content: bytes) -> Entry:
        entry = self._entry(number, content)
        with self._reading:
            if self._state.number == number - 1:
                self._state = self._folded([entry])
        return entry

    def _folded(self, entries: Sequence[Entry]) -> _S:
        try:
            return self._state.extended(entries)
        except (KeyError, TypeError) as error:
            where = self._where(entries[-1].number)
            raise Corrupt(
                "bad-record",
                f"the log up to {where} does not agree with itself ({error!r}); restore it from a copy",
                where=where,
            ) from error

    def _tail(self, number: int) -> list[Entry]:
        """The entries behind `number`. Most often there are none, which one read shows."""
        metadata = self._setting.metadata
        next_key = layout.log_entry(self._repo, number + 1)
        try:
            first = metadata.get(next_key)
        except NotFound:
            return []
        keys = [stored.key for stored in metadata.list(layout.log(self._repo), after=next_key)]
        missing = next((n for n, key in enumerate(keys, number + 2) if key != layout.log_entry(self._repo, n)), None)
        if missing is not None:
            raise Corrupt(
                "bad-record", f"{self._where(missing)} is missing; restore it from a copy", where=self._where(missing)
            )
        entries = [self._entry(number + 1, first)]
        entries.extend(self._entry(n, content) for n, content in enumerate(get_many(metadata, keys), number + 2))
        return entries

    def _where(self, number: int) -> str:
        return f"{self._setting.metadata.url}/{layout.log_entry(self._repo, number)}"

    def _entry(self, number: int, content: bytes) -> Entry:
        where = self._where(number)
        record = decode_sealed(content, where)
        try:
            entry = _read_entry(self._repo, record)
        except (KeyError, TypeError, AttributeError) as error:
            raise Corrupt(
                "bad-record", f"the entry at {where} is not whole ({error!r}); restore it from a copy"
            ) from error
        kinds = _STORE_KINDS if self._repo is None else _REPO_KINDS
        if entry.number != number or entry.kind not in kinds:
            raise Corrupt("bad-record", f"the entry at {where} is another log's; restore it from a copy", where=where)
        return entry


def _read_entry(repo: RepoId | None, record: Record) -> Entry:
    kind = record["kind"]
    bundles = () if repo is None else tuple(Bundle.from_record(repo, made) for made in _made(record))
    run = bundles[0].run if kind == "commit" else record.get("run")
    gone = frozenset((*record.get("packs", ()), *record.get("keys", ())))
    return Entry(
        number=record["number"],
        id=record["entry"],
        kind=kind,
        time_ns=record["time"],
        author=Author.from_record(record["author"]),
        moves=_moves(record),
        bundles=bundles,
        run=RunId(run) if run else None,
        deleted=tuple(map(BundleId, record["bundles"])) if kind == "delete" else (),
        replaced={BundleId(old): BundleId(new) for old, new in record.get("replaced", {}).items()},
        reason=record.get("reason"),
        condemned=gone if kind == "condemn" else frozenset(),
        fenced=frozenset(map(SessionId, record["fenced"])) if kind == "condemn" else frozenset(),
        swept=gone if kind == "swept" else frozenset(),
        record=record,
    )


def _made(record: Record) -> Sequence[Record]:
    """The records of the bundles that an entry makes."""
    if record["kind"] == "commit":
        return [record["bundle"]]
    made: Sequence[Record] = record.get("made", ()) if record["kind"] == "delete" else ()
    return made


def _moves(record: Record) -> tuple[Move, ...]:
    if record["kind"] in ("commit", "move"):
        return tuple(map(Move.from_record, record["moves"]))
    return tuple(map(Move.from_record, record.get("moves", ()))) if record["kind"] == "delete" else ()
