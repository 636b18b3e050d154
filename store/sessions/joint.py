"""The nouns of sessions, and how a repo's log folds into them.

A user's *session* is a `JointSession` in code: the session that an upload's packs are named after is another thing (`SessionId`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from datamon.errors import Invalid
from datamon.store.bundle import Author, Bundle, Entry
from datamon.store.codec import Record
from datamon.store.ids import BundleId, JointId, RepoId

ConflictMode = Literal["with-conflicts", "with-checkpoints", "no-conflicts", "ignore-conflicts"]
"""What a commit makes of a path that several splits hold differently: the last one's version always stands at the path, and the
others are kept below `.conflicts/` or `.checkpoints/`, refuse the commit, or are left out."""
MODES: tuple[ConflictMode, ...] = get_args(ConflictMode)
STARTED, ADDED, CANCELLED = "session-started", "split-added", "session-cancelled"
KINDS = frozenset({STARTED, ADDED, CANCELLED})


@dataclass(frozen=True, slots=True)
class Split:
    """One writer's completed share of a session. `tree` is what it holds, in the form of a bundle: its id is the generation,
    which each completion makes anew, its time that of the completion."""

    name: str
    tag: str | None
    tree: Bundle

    @property
    def generation(self) -> BundleId:
        """The id of this completion."""
        return self.tree.id

    def to_record(self) -> Record:
        """As a commit names what it took."""
        return {
            "split": self.name,
            "generation": self.generation,
            "manifest": self.tree.manifest,
            "author": self.tree.author.to_record(),
            "tag": self.tag,
        }


@dataclass(frozen=True, slots=True)
class JointSession:
    """A bundle to be that many writers make. `splits` are the completed ones, in the order of their completions in the log; of a
    split that was completed several times the last one alone. Open until it has `ended_ns`; with `bundle` it was committed in
    `mode`, without it was cancelled."""

    id: JointId
    repo: RepoId
    tag: str | None
    author: Author
    started_ns: int
    splits: tuple[Split, ...] = ()
    ended_ns: int | None = None
    bundle: BundleId | None = None
    mode: ConflictMode | None = None

    @property
    def is_open(self) -> bool:
        """Whether splits may be added."""
        return self.ended_ns is None

    @property
    def state(self) -> str:
        """`open`, `committed` or `cancelled`."""
        if self.is_open:
            return "open"
        return "cancelled" if self.bundle is None else "committed"


def check_mode(text: str) -> ConflictMode:
    """`text` as a mode. Raises Invalid (`bad-argument`)."""
    for mode in MODES:
        if mode == text:
            return mode
    raise Invalid("bad-argument", f"there is no conflict mode {text!r}; there are {', '.join(MODES)}", argument="mode")


def folded(
    repo: RepoId, sessions: Mapping[JointId, JointSession], entries: Iterable[Entry]
) -> Mapping[JointId, JointSession]:
    """The sessions after these next entries; the same mapping where none speaks of one. Raises KeyError, TypeError."""
    telling = [entry for entry in entries if entry.kind in KINDS or "joint" in entry.record]
    if not telling:
        return sessions
    after = dict(sessions)
    for entry in telling:
        _fold(repo, after, entry)
    return after


def _fold(repo: RepoId, sessions: dict[JointId, JointSession], entry: Entry) -> None:
    record = entry.record
    if entry.kind == STARTED:
        identity = JointId(record["joint"])
        sessions[identity] = JointSession(identity, repo, record.get("tag"), entry.author, entry.time_ns)
    elif entry.kind == ADDED:
        standing = sessions[JointId(record["joint"])]
        added = Split(record["split"], record.get("tag"), Bundle.from_record(repo, record["tree"]))
        others = tuple(split for split in standing.splits if split.name != added.name)
        sessions[standing.id] = replace(standing, splits=(*others, added))
    elif entry.kind == CANCELLED:
        standing = sessions[JointId(record["joint"])]
        sessions[standing.id] = replace(standing, ended_ns=entry.time_ns)
    else:
        joint = record["joint"]
        standing = sessions[JointId(joint["id"])]
        [made] = entry.bundles
        mode = check_mode(joint["mode"])
        sessions[standing.id] = replace(standing, ended_ns=entry.time_ns, bundle=made.id, mode=mode)


def open_trees(sessions: Mapping[JointId, JointSession]) -> list[Bundle]:
    """What the completed splits of open sessions hold: as much in use as a bundle."""
    return [split.tree for session in sessions.values() if session.is_open for split in session.splits]


def to_summary(sessions: Mapping[JointId, JointSession]) -> list[Record]:
    """The sessions as a checkpoint of the log keeps them."""
    return [
        {
            "id": each.id,
            "tag": each.tag,
            "author": each.author.to_record(),
            "started": each.started_ns,
            "splits": [[split.name, split.tag, split.tree.to_record()] for split in each.splits],
            "ended": each.ended_ns,
            "bundle": each.bundle,
            "mode": each.mode,
        }
        for each in sessions.values()
    ]


def from_summary(repo: RepoId, records: Iterable[Record]) -> Mapping[JointId, JointSession]:
    """The sessions that a checkpoint keeps. Raises KeyError, TypeError, ValueError."""
    return {JointId(record["id"]): _session(repo, record) for record in records}


def _session(repo: RepoId, record: Record) -> JointSession:
    splits = tuple(Split(name, tag, Bundle.from_record(repo, tree)) for name, tag, tree in record["splits"])
    return JointSession(
        id=JointId(record["id"]),
        repo=repo,
        tag=record["tag"],
        author=Author.from_record(record["author"]),
        started_ns=record["started"],
        splits=splits,
        ended_ns=record["ended"],
        bundle=BundleId(record["bundle"]) if record["bundle"] else None,
        mode=check_mode(record["mode"]) if record["mode"] else None,
    )
