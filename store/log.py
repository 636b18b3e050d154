"""The logs, one for each repo and the store's own: read to the tail, folded into a state, extended by one entry at a time.

An entry is made by `put_if_absent` at the next number, which exactly one writer wins. That order is the only order there is:
no clock and no id takes part in it.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from datamon.errors import Conflict, Corrupt, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Appending, Backend, Sided, decoded_copy, has_durably
from datamon.store.bundle import Author, Entry
from datamon.store.clock import Clock
from datamon.store.codec import Record, decode, encode_sealed, stamped
from datamon.store.fetching import get_many
from datamon.store.ids import RepoId, is_ksuid, new_ksuid
from datamon.store.journal import Journal
from datamon.store.log_cache import FAR, NEAR, Checkpoint, KeptLogs
from datamon.store.log_entries import decode_entry, entry_of
from datamon.store.log_state import RepoState, StoreState
from datamon.store.seal import unseal
from datamon.store.sharing import Deferred

__all__ = ["ATTEMPTS", "Logs", "Pacing", "RepoState", "Setting", "StoreState", "UpTo", "decode_entry"]

ATTEMPTS = 100
"""How often one entry is tried before the log counts as contended."""
_CALM_ATTEMPTS = 3
_LONGEST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Pacing:
    """How a writer that lost several times waits: what sleeps (seconds), and what draws a number in [0, 1)."""

    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Setting:
    """What all logs of a store share: where they lie, where intents go, who writes, and when. In `cache` are this machine's
    checkpoints of them; None: every process reads them whole."""

    metadata: Backend
    journal: Journal
    author: Author
    clock: Clock
    pacing: Pacing = Pacing()
    cache: KeptLogs | None = None

    def checkpoint(self, repo: RepoId | None) -> Checkpoint:
        """That of a repo's log. Without one goes what could not be a file's name."""
        name = "store" if repo is None else repo
        if self.cache is None or (repo is not None and not is_ksuid(repo)):
            return Checkpoint(None)
        return self.cache.checkpoint(name, NEAR if isinstance(self.metadata, Appending) else FAR)


class Logs:
    """All logs of a store, as far as this process has read them. Every method may be called from any thread."""

    def __init__(self, setting: Setting, upto: "UpTo | None" = None) -> None:
        self._setting = setting
        self._upto = upto
        self._store_log = _Log(setting, None, StoreState())
        self._repo_logs: dict[RepoId, _Log[RepoState]] = {}
        self._lock = threading.Lock()

    def repo(self, repo: RepoId) -> RepoState:
        """The repo's state at the tail of its log; reads only what is new since the last call in this process."""
        state = self._log(repo).state()
        return state if self._upto is None else _past(state, RepoState(repo), self._upto)

    def store(self) -> StoreState:
        """The store's state at the tail of its own log."""
        state = self._store_log.state()
        return state if self._upto is None else _past(state, StoreState(), self._upto)

    def as_of(self, upto: "UpTo") -> "Logs":
        """These logs as they stood at a moment. Nothing can be appended to them."""
        return Logs(self._setting, upto)

    def unread(self) -> "Logs":
        """The same logs, of which nothing is remembered: for who reads many of them once."""
        return Logs(self._setting, self._upto)

    def entries_after(self, repo: RepoId | None, number: int) -> list[Entry]:
        """The entries of a repo's log (of the store's own for None) behind entry `number`, to the tail. Those before it are
        not read."""
        return self._store_log.after(number) if repo is None else self._log(repo).after(number)

    def stored_after(self, repo: RepoId, number: int) -> list[bytes]:
        """As `entries_after`, the entries of a repo's log as they are stored, in JSON, and not decoded: their bytes are those
        that were stored. Nothing is remembered of them."""
        return _Log(self._setting, repo, RepoState(repo)).stored_after(number)

    @overload
    def append(self, repo: None, make: Callable[[StoreState], Record]) -> Entry: ...
    @overload
    def append(self, repo: RepoId, make: Callable[[RepoState], Record]) -> Entry: ...
    def append(self, repo: RepoId | None, make: Callable[[Any], Record]) -> Entry:
        """One entry more stands in the log, durable, when this returns it; when this raises, nothing is changed.

        `make` is given the state at the tail, raises to refuse, and otherwise gives the entry's `kind` and fields (and its
        `time`, if it needs to know that: `next_time_ns`; and its `author`, if it is another's). It is called again whenever
        another writer was first. An entry whose answer was lost is known by its id. Raises what `make` raises, Conflict
        (`log-contended`) after `ATTEMPTS` losses, and Unavailable when the backend fails; should the backend carry out a failed
        write later, the entry stands.
        """
        assert self._upto is None, "the past takes no more entries"
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


@dataclass(frozen=True, slots=True)
class UpTo:
    """A moment, in nanoseconds since 1970: by the times of the entries, which rise in each log, or with `made` by when a person
    made what was taken over from another store."""

    time_ns: int
    made: bool = False

    def has(self, entry: Entry) -> bool:
        """Whether the entry stood at that moment."""
        return (entry.made_ns if self.made else entry.time_ns) <= self.time_ns


class _State(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def entries(self) -> Sequence[Entry]: ...
    def extended(self, entries: Sequence[Entry]) -> Self: ...
    def summary(self, before: Record | None, /) -> Record: ...
    def resumed(self, summary: Record, entries: Deferred[Entry], /) -> Self: ...
    def check(self, record: Record) -> None: ...


_S = TypeVar("_S", bound=_State)
_T = TypeVar("_T")


def _past(state: _S, first: _S, upto: UpTo) -> _S:
    entries = [entry for entry in state.entries if upto.has(entry)]
    return first.extended(entries) if entries else first


class _Log(Generic[_S]):
    """One log, as far as this process has read it."""

    def __init__(self, setting: Setting, repo: RepoId | None, state: _S) -> None:
        self._setting = setting
        self._repo = repo
        self._state = state
        self._checkpoint = setting.checkpoint(repo)
        self._resumed = False
        self._first_state = state
        self._epoch = ""
        self._settled = 0
        self._reading = threading.Lock()
        # Threads of this process take turns, so that only other processes are ever lost to.
        self._appending = threading.RLock()

    def state(self) -> _S:
        with self._reading:
            self._follow_epoch()
            if not self._resumed:
                self._state = self._resume()
                self._resumed = True
            number = self._state.number
            contents = self._tail(number)
            if contents:
                self._state = self._folded(self._entries(number, contents))
                self._checkpoint.add(contents, self._state.summary)
            return self._state

    def after(self, number: int) -> list[Entry]:
        with self._reading:
            self._follow_epoch()
            if self._state.number < number:
                return self._entries(number, self._tail(number))
        return list(self.state().entries[number:])

    def stored_after(self, number: int) -> list[bytes]:
        return [self._unsealed(n, content) for n, content in enumerate(self._tail(number), number + 1)]

    def append(self, make: Callable[[_S], Record]) -> Entry:
        setting = self._setting
        entry_id = new_ksuid(setting.clock())
        with self._appending:
            for attempt in range(ATTEMPTS):
                self._pause(attempt)
                state = self.state()
                self._settle(state.number)
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
            "author": fields.get("author", self._setting.author.to_record()),
        }
        if self._epoch:
            own["epoch"] = self._epoch
        return stamped(fields["kind"], {**fields, **own})

    def _follow_epoch(self) -> None:
        """What was read is forgotten when another side decides now what the log says."""
        metadata = self._setting.metadata
        epoch = metadata.epoch() if isinstance(metadata, Sided) else ""
        if epoch != self._epoch:
            self._forget()
            self._epoch = epoch

    def _forget(self) -> None:
        self._state, self._resumed, self._settled = self._first_state, False, 0
        self._checkpoint = self._setting.checkpoint(self._repo)

    def _settle(self, number: int) -> None:
        """On every side as many as must have an entry have the last one, before another builds upon it. What a backend of one
        side shows is made durable by the next entry's own put."""
        if not isinstance(self._setting.metadata, Sided) or number <= self._settled:
            return
        try:
            has_durably(self._setting.metadata, layout.log_entry(self._repo, number))
        except (Unavailable, NotFound):
            with self._reading:
                self._forget()
            raise
        self._settled = number

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
        self._settled = number
        with self._reading:
            if self._state.number == number - 1:
                self._state = self._folded([entry])
                self._checkpoint.add([content], self._state.summary)
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

    def _resume(self) -> _S:
        """The state at the checkpoint's end, where the store has the same entry there; else that before the first entry."""
        cached = self._checkpoint.load()
        if cached is None:
            return self._state
        entries = Deferred(len(cached.entries), lambda at: self._recalled(at + 1, cached.entries[at]))
        try:
            if self._setting.metadata.get(layout.log_entry(self._repo, len(entries))) != cached.last:
                return self._state
            state = self._state.resumed(cached.summary, entries)
        except (NotFound, Corrupt, KeyError, TypeError, ValueError):
            return self._state
        self._checkpoint.believe(cached)
        return state

    def _recalled(self, number: int, content: bytes) -> Entry:
        where = self._where(number)
        return entry_of(self._repo, number, decode(content, where), where)

    def _tail(self, number: int) -> list[bytes]:
        """The entries behind `number`, as they are stored. Most often there are none, which one read shows."""
        metadata = self._setting.metadata
        next_key = layout.log_entry(self._repo, number + 1)
        try:
            first = metadata.get(next_key)
        except NotFound:
            return []
        keys = [stored.key for stored in metadata.list(layout.log(self._repo), after=next_key)]
        missing = next((n for n, key in enumerate(keys, number + 2) if key != layout.log_entry(self._repo, n)), None)
        if missing is not None:
            where = self._where(missing)
            if not metadata.has(layout.log_entry(self._repo, missing)):
                raise Corrupt("bad-record", f"{where} is missing; restore it from a copy", where=where)
            # It was put while the listing was made, which may show one put later still: what was put before the call ends here.
            del keys[missing - number - 2 :]
        return [first, *get_many(metadata, keys)]

    def _entries(self, number: int, contents: Sequence[bytes]) -> list[Entry]:
        """The entries behind `number`."""
        return [self._entry(n, content) for n, content in enumerate(contents, number + 1)]

    def _where(self, number: int) -> str:
        return f"{self._setting.metadata.url}/{layout.log_entry(self._repo, number)}"

    def _entry(self, number: int, content: bytes) -> Entry:
        return self._read(number, content, lambda copy: decode_entry(self._repo, number, copy, self._where(number)))

    def _unsealed(self, number: int, content: bytes) -> bytes:
        return self._read(number, content, lambda copy: unseal(copy, self._where(number)))

    def _read(self, number: int, content: bytes, decoded: Callable[[bytes], _T]) -> _T:
        """What an entry's bytes hold, those of another side where these are damaged."""
        try:
            return decoded(content)
        except Corrupt:
            copied = decoded_copy(self._setting.metadata, layout.log_entry(self._repo, number), decoded)
            if copied is None:
                raise
            return copied
