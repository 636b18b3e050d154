"""Findings: what a check met, one row each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from datamon.errors import DatamonError
from datamon.store.ids import BundleId

Severity = Literal["damage", "notice"]

FINDING_CODES: dict[str, str] = {
    "bad-bytes": "stored bytes do not have the hash they are named by, or a broken seal",
    "bad-pack": "a pack that is not as it was written",
    "bad-record": "a stored record that cannot be read or does not agree with the others",
    "missing-bytes": "something that a bundle, a run or the store needs is gone",
    "entry-missing": "a log entry that was meant or that others followed is not there",
    "intent-missing": "the journal has lost the record of a log entry",
    "index-differs": "the chunk index says something else than a pack's footer",
    "file-damaged": "a file of a bundle that cannot be restored",
    "unknown-repo": "a commit log that the store's log does not know",
    "unknown-bundle": "a run names a bundle that no log has",
    "run-incomplete": "the journal has lost a part of a run",
    "unreferenced": "stored bytes that no bundle needs; gc removes them",
    "unknown-key": "something that datamon did not put there",
    "source-changed": "what an external entry names is not what was linked",
    "source-not-found": "what an external entry names is gone",
    "source-denied": "what an external entry names may not be read",
    "source-unavailable": "what an external entry names cannot be read now",
    "packs-read": "which packs a sample took",
    "bad-name": "a name in an old store that cannot be one here",
    "bundle-differs": "a bundle is here under the id of one of an old store, with other content",
    "bundle-deleted": "a bundle of an old store that was deleted here",
    "upload-unfinished": "an upload to an old store that never ended",
    "session-unfinished": "a diamond of an old store that was not committed",
    "list-short": "a file list of an old store from which files were deleted",
    "parent-missing": "a bundle of an old store names a parent that is not here",
    "move-left": "a move of a label of an old store that was not taken over",
    "side-unreachable": "a side of a mirrored store that does not answer",
    "side-behind": "a side that lost the store, is new, or missed a promotion: it does not count until it is repaired",
    "side-lacks": "something that other sides have and this one does not",
    "side-differs": "something that a side has otherwise than the others, or that gc took away",
    "stranded-entry": "a log entry on a side that was passed over: its bundle is kept, nothing else of it counts",
}
"""Every code of a finding with what it means. Append-only, like `datamon.errors.CODES`."""


NEXT_STEP = "run `datamon repair` with a copy of the store or a tree that has its files"
"""What to do about most damage."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check met. `damage` is what keeps something from being read or believed, a `notice` is harmless. `key` is
    where it lies (relative to its backend), `repo` a repo's name, `path` a file of `bundle`. The message names the next step."""

    code: str
    severity: Severity
    message: str
    key: str | None = None
    repo: str | None = None
    bundle: BundleId | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if self.code not in FINDING_CODES:
            raise AssertionError(f"finding code {self.code!r} is not in FINDING_CODES")

    @property
    def is_damage(self) -> bool:
        """Whether something cannot be read or believed."""
        return self.severity == "damage"


def damage(code: str, message: str, key: str | None = None) -> Finding:
    """A finding of damage that concerns no bundle alone."""
    return Finding(code, "damage", message, key)


def notice(code: str, message: str, key: str | None = None) -> Finding:
    """A harmless finding."""
    return Finding(code, "notice", message, key)


def told_by(error: DatamonError, key: str) -> Finding:
    """The damage that reading `key` ran into."""
    code = error.code if error.code in FINDING_CODES else "bad-record"
    return damage(code, f"{error.message.partition('; ')[0]}; {NEXT_STEP}", key)


def capped(findings: Iterable[Finding], most: int) -> Iterator[Finding]:
    """The first `most` of these findings, and one that counts the others."""
    left_out = 0
    last: Finding | None = None
    for number, finding in enumerate(findings):
        if number < most:
            yield finding
        else:
            left_out += 1
            last = finding
    if last is not None:
        yield Finding(
            last.code, last.severity, f"and {left_out:,} more like this one: {last.message}", last.key, last.repo
        )
