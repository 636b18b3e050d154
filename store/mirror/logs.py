"""The logs as the sides of a mirrored store have them: which entries count, and what becomes of the others."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from datamon.errors import Corrupt, DatamonError, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.codec import decode_sealed
from datamon.store.fetching import get_many

_ENTRY = re.compile(r"((?:repos/[0-9A-Za-z]{27}/)?log/|journal/merged/)([0-9]{20})")

Entries = Mapping[str, bytes]
"""Log entries as they are stored, by key."""


def read_logs(side: Backend) -> dict[str, bytes]:
    """Every log entry that a side has; all are in memory. One that cannot be opened is empty, which is as damaged.
    Raises Unavailable, also when entries vanish meanwhile, and Denied."""
    keys = [
        stored.key
        for prefix in (layout.STORE_LOG, layout.REPOS, layout.MERGES)
        for stored in side.list(prefix)
        if _ENTRY.fullmatch(stored.key)
    ]
    try:
        try:
            return dict(zip(keys, get_many(side, keys), strict=True))
        except Corrupt:
            return {key: _opened(side, key) for key in keys}
    except NotFound as error:
        message = f"log entries vanish from {side.url} while they are read; try again when nobody changes it"
        raise Unavailable("backend-unavailable", message, where=side.url) from error


def _opened(side: Backend, key: str) -> bytes:
    try:
        return side.get(key)
    except Corrupt:
        return b""


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the sides say of the logs. `decider` is the side whose word counts in `epoch`, when it can be heard; `whole` are the
    sides that have everything that was acknowledged, as far as they were counted."""

    logs: Mapping[str, Entries]
    epoch: str
    decider: str | None
    whole: frozenset[str]

    def truth(self) -> dict[str, bytes]:
        """The entries that count. What the decider has counts; what it has lost is known from the others by what follows it, or
        by the epoch in which it was written: in that nobody else could decide. With no decider, of several entries the one of the
        latest epoch counts, for whoever wrote it had seen that the others were passed."""
        keys = {key for name in self.whole | {self.decider} for key in self.logs.get(name or "", ())}
        tails = self._tails()
        chosen = ((key, self._chosen(key, tails)) for key in sorted(keys))
        return {key: content for key, content in chosen if content is not None}

    def _chosen(self, key: str, tails: Mapping[str, int]) -> bytes | None:
        own = self.logs[self.decider].get(key) if self.decider is not None else None
        if own is not None and entry_epoch(own) is not None:
            return own
        offers = Counter(self.logs[name][key] for name in sorted(self.whole) if key in self.logs.get(name, ()))
        right = {
            content: (epoch, count) for content, count in offers.items() if (epoch := entry_epoch(content)) is not None
        }
        best = max(right, key=lambda content: right[content], default=None)
        if self.decider is None or best is None:
            return best
        folder, number = split_key(key)
        return best if number < tails.get(folder, 0) or own is not None or right[best][0] == self.epoch else None

    def _tails(self) -> dict[str, int]:
        """The last number that the decider has in each log."""
        tails: dict[str, int] = {}
        for key in self.logs[self.decider] if self.decider is not None else ():
            folder, number = split_key(key)
            tails[folder] = max(number, tails.get(folder, 0))
        return tails


@dataclass(frozen=True, slots=True)
class Stranded:
    """An entry on one side that does not count: its number was given to another, or is beyond the log."""

    side: str
    key: str
    content: bytes

    @property
    def kept_key(self) -> str:
        """Where it is kept, out of the log's way."""
        return layout.stranded(self.side, decode_sealed(self.content, self.key)["entry"], self.key)


def strandeds(accounts: Accounts, truth: Entries) -> Iterator[Stranded]:
    """The entries that do not count, side by side. What cannot be read is damage and none of these."""
    for side, entries in accounts.logs.items():
        for key, content in entries.items():
            if content != truth.get(key) and entry_epoch(content) is not None:
                yield Stranded(side, key, content)


def align(side: Backend, entries: Entries, truth: Entries) -> int:
    """The side has the entries that count, and no others, when this returns; returns how many were put. `entries` are those that
    it had, of which what does not count is kept elsewhere already. Raises Unavailable, Denied."""
    changed = 0
    for key, content in truth.items():
        if entries.get(key) == content:
            continue
        changed += 1
        if key in entries or not side.put_if_absent(key, content):
            side.put(key, content)
    for key in sorted(
        entries.keys() - truth.keys(), reverse=True
    ):  # the last first: a side has no entry without the one before
        if entry_epoch(entries[key]) is not None:
            side.delete(key)
            changed += 1
    return changed


def entry_epoch(content: bytes) -> str | None:
    """The epoch in which an entry was written ("" for one that was written before there were sides); None when it is damaged."""
    try:
        return str(decode_sealed(content, "an entry").get("epoch", ""))
    except Corrupt:
        return None
    except DatamonError:
        return ""  # of a newer datamon: as right as can be told


def split_key(key: str) -> tuple[str, int]:
    """The log's prefix, and the entry's number."""
    match = _ENTRY.fullmatch(key)
    assert match is not None, key
    return match[1], int(match[2])
