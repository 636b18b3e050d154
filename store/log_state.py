"""What logs say when they are folded: of a repo its bundles and refs, of the store its repos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from datamon.errors import Conflict
from datamon.store.bundle import Bundle, Entry, Move, Ref, Repo
from datamon.store.codec import FORMAT, NEWEST, Record
from datamon.store.ids import BundleId, JointId, RepoId, SessionId
from datamon.store.sessions.joint import JointSession, folded, from_summary, open_trees, to_summary
from datamon.store.sharing import Deferred, Found, Joined, JoinedMap


@dataclass(frozen=True, slots=True)
class RepoState:
    """A repo's log folded up to entry `number`. It never changes: a longer log is another state.

    `bundles` are all ever committed, in commit order; `deleted` says which entry deleted some of them.
    `history` is every move of every ref, in order. `condemned` are the pack names and metadata keys that no commit may rely on
    any more, `fenced` the sessions that may not commit. `sessions` are those that many
    writers share, in the order of their starts.
    """

    repo: RepoId
    number: int = 0
    time_ns: int = 0
    bundles: JoinedMap[BundleId, Bundle] = field(default_factory=JoinedMap)
    refs: Mapping[str, Ref] = field(default_factory=dict)
    history: Joined[tuple[Entry, Move]] = field(default_factory=Joined)
    deleted: JoinedMap[BundleId, Entry] = field(default_factory=JoinedMap)
    condemned: frozenset[str] = frozenset()
    fenced: frozenset[SessionId] = frozenset()
    entries: Joined[Entry] = field(default_factory=Joined)
    sessions: Mapping[JointId, JointSession] = field(default_factory=dict)

    def live(self) -> list[Bundle]:
        """What is in use, in the form of bundles: those that were not deleted, and the completed splits of open sessions."""
        bundles = [bundle for bundle in self.bundles.values() if bundle.id not in self.deleted]
        return bundles + open_trees(self.sessions)

    def extended(self, entries: Sequence[Entry]) -> "RepoState":
        """The state after these next entries."""
        refs = dict(self.refs)
        steps = [(entry, move) for entry in entries for move in entry.moves]
        # Only the last move of a ref says where it stands.
        for name, (entry, move) in {step[1].ref: step for step in steps}.items():
            if move.new is None:
                refs.pop(name, None)
            else:
                refs[name] = _ref(entry, move, move.new)
        last = entries[-1]
        return RepoState(
            repo=self.repo,
            number=last.number,
            time_ns=last.time_ns,
            bundles=self.bundles.with_more({bundle.id: bundle for entry in entries for bundle in entry.bundles}),
            refs=refs,
            history=self.history.with_more(steps),
            deleted=self.deleted.with_more({bundle: entry for entry in entries for bundle in entry.deleted}),
            condemned=self.condemned.union(*(entry.condemned for entry in entries)),
            fenced=self.fenced.union(*(entry.fenced for entry in entries)),
            entries=self.entries.with_more(entries),
            sessions=folded(self.repo, self.sessions, entries),
        )

    def summary(self, before: Record | None) -> Record:
        """This state in short, for `resumed`. It has grown from the one that `before` is the summary of."""
        old = before or {"number": 0, "moves": 0, "bundles": [], "deleted": []}
        new = self.entries[old["number"] :]
        return {
            "format": FORMAT,
            "number": self.number,
            "time": self.time_ns,
            "moves": old["moves"] + sum(len(entry.moves) for entry in new),
            "bundles": [*old["bundles"], *([bundle.id, entry.number] for entry in new for bundle in entry.bundles)],
            "deleted": [*old["deleted"], *([bundle, entry.number] for entry in new for bundle in entry.deleted)],
            "condemned": sorted(self.condemned),
            "fenced": sorted(self.fenced),
            "refs": [ref.to_record() for ref in self.refs.values()],
            **({"format": NEWEST, "sessions": to_summary(self.sessions)} if self.sessions else {}),
        }

    def resumed(self, summary: Record, entries: Deferred[Entry]) -> "RepoState":
        """The state behind these entries, which has this summary. Of the entries only those are decoded that are looked at.
        Raises KeyError, TypeError or ValueError when it is no such summary."""
        if summary["number"] != len(entries):
            raise ValueError("the summary is another log's")
        refs = map(Ref.from_record, summary["refs"])
        made: dict[BundleId, int] = dict(summary["bundles"])
        deleted: dict[BundleId, int] = dict(summary["deleted"])
        return RepoState(
            repo=self.repo,
            number=summary["number"],
            time_ns=summary["time"],
            bundles=JoinedMap(Found(made, lambda bundle, number: _bundle(entries[number - 1], bundle))),
            refs={ref.name: ref for ref in refs},
            history=Joined(_history(entries, summary["moves"])),
            deleted=JoinedMap(Found(deleted, lambda _, number: entries[number - 1])),
            condemned=frozenset(summary["condemned"]),
            fenced=frozenset(map(SessionId, summary["fenced"])),
            entries=Joined(entries),
            sessions=from_summary(self.repo, summary.get("sessions", ())),
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


def _ref(entry: Entry, move: Move, bundle: BundleId) -> Ref:
    return Ref(
        name=move.ref,
        kind=move.ref_kind,
        bundle=bundle,
        frozen=move.frozen,
        author=entry.author,
        time_ns=entry.made_ns,
        number=entry.number,
    )


def _history(entries: Sequence[Entry], count: int) -> Deferred[tuple[Entry, Move]]:
    """Every move of the entries, which are all decoded when the first is looked at."""
    steps: list[list[tuple[Entry, Move]]] = []

    def step(at: int) -> tuple[Entry, Move]:
        if not steps:
            steps.append([(entry, move) for entry in entries for move in entry.moves])
        return steps[0][at]

    return Deferred(count, step)


def _bundle(entry: Entry, identity: BundleId) -> Bundle:
    return next(bundle for bundle in entry.bundles if bundle.id == identity)


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

    def summary(self, _: Record | None) -> Record:
        """Nothing but the format: such logs are short."""
        return {"format": FORMAT}

    def resumed(self, _: Record, entries: Sequence[Entry]) -> "StoreState":
        """The state behind these entries."""
        return self.extended(entries)

    def check(self, record: Record) -> None:
        """Every record may follow: what a repo's name must be is checked where it is given."""


def _created(entry: Entry) -> Repo:
    record = entry.record
    return Repo(RepoId(record["repo"]), record["name"], record["description"], entry.author, entry.made_ns)
