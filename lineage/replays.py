"""What came of doing a run again exactly: the nouns of a replay's record (docs/format.md, "Replays")."""

from dataclasses import dataclass
from typing import Any, Literal

from datamon.store.bundle import Author
from datamon.store.codec import Record
from datamon.store.ids import RepoId

Verdict = Literal["matched", "differed", "failed"]
OutputVerdict = Literal["matched", "differed", "missing"]


@dataclass(frozen=True, slots=True)
class ReplayedOutput:
    """One output: whether it came out bit by bit as the run had it. Of one that `differed`, `path` is the first path that did, in
    the order of paths, `change` whether it was `added`, `deleted` or `changed` there, `old` and `new` its contents. Where the
    recorded bundle was deleted there is no path, and these are the contents of the whole."""

    role: str
    repo: RepoId
    repo_name: str
    branch: str
    verdict: OutputVerdict
    path: str | None = None
    change: str | None = None
    old: str | None = None
    new: str | None = None

    def to_record(self) -> Record:
        """As it is stored."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_record(cls, record: Record) -> "ReplayedOutput":
        """From what is stored."""
        return cls(**{name: record[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Replay:
    """A run that was done again. `verdict` is `matched` when it ended as the run did and every output came out the same,
    `failed` when it ended otherwise (`error` says how). `whole` says that every file of the tree was known to be as it was, not
    only the code. `environment` is the hash of the one that it had, `packages` whether the
    recorded packages were installed for it. `event` names the record."""

    event: str
    started_ns: int
    ended_ns: int
    verdict: Verdict
    outputs: tuple[ReplayedOutput, ...]
    error: str | None
    environment: str | None
    packages: bool
    whole: bool
    host: str
    author: Author

    def to_record(self) -> Record:
        """As it is stored, without its event."""
        return {
            "started": self.started_ns,
            "ended": self.ended_ns,
            "verdict": self.verdict,
            "outputs": [each.to_record() for each in self.outputs],
            "error": self.error,
            "environment": self.environment,
            "packages": self.packages,
            "whole": self.whole,
            "host": self.host,
            "author": self.author.to_record(),
        }

    @classmethod
    def from_event(cls, event: Record) -> "Replay":
        """From the journal record."""
        told: dict[str, Any] = event["replay"]
        return cls(
            event=event["event"],
            started_ns=told["started"],
            ended_ns=told["ended"],
            verdict=told["verdict"],
            outputs=tuple(ReplayedOutput.from_record(each) for each in told["outputs"]),
            error=told["error"],
            environment=told["environment"],
            packages=told["packages"],
            whole=told["whole"],
            host=told["host"],
            author=Author.from_record(told["author"]),
        )
