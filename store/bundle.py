"""The nouns of a repo's commit log: repos, bundles, refs and their moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from datamon.store.codec import Record
from datamon.store.ids import BundleId, ContentId, ManifestId, RepoId, RunId, SessionId

RefKind = Literal["label", "branch"]


@dataclass(frozen=True, slots=True)
class Author:
    """Who did something."""

    name: str
    email: str

    def to_record(self) -> Record:
        """As it is stored."""
        return {"name": self.name, "email": self.email}

    @classmethod
    def from_record(cls, record: Record) -> "Author":
        """From what is stored."""
        return _author(record["name"], record["email"])


@lru_cache(maxsize=1024)
def _author(name: str, email: str) -> Author:
    """A log names few authors many times."""
    return Author(name, email)


@dataclass(frozen=True, slots=True)
class Repo:
    """A named data set."""

    id: RepoId
    name: str
    description: str
    author: Author
    created_ns: int


@dataclass(frozen=True, slots=True)
class CopiedFrom:
    """The bundle of another store, or of another repo, of which a bundle is a copy: who made it there, when, and by which run."""

    store: str
    repo: RepoId
    repo_name: str
    bundle: BundleId
    author: Author
    time_ns: int
    run: RunId | None

    def to_record(self) -> Record:
        """As it is stored in the `from` of a bundle."""
        return {
            "store": self.store,
            "repo": self.repo,
            "name": self.repo_name,
            "bundle": self.bundle,
            "author": self.author.to_record(),
            "time": self.time_ns,
            "run": self.run,
        }

    @classmethod
    def from_record(cls, record: Record) -> "CopiedFrom":
        """From what is stored."""
        return cls(
            store=record["store"],
            repo=RepoId(record["repo"]),
            repo_name=record["name"],
            bundle=BundleId(record["bundle"]),
            author=Author.from_record(record["author"]),
            time_ns=record["time"],
            run=RunId(record["run"]) if record["run"] else None,
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """A repo's file tree at one moment; immutable. `copied_from` are the bundles of which it is a copy, the nearest first."""

    id: BundleId
    repo: RepoId
    manifest: ManifestId
    content: ContentId
    parents: tuple[BundleId, ...]
    author: Author
    time_ns: int
    message: str
    entries: int
    size_bytes: int
    run: RunId | None = None
    role: str | None = None
    copied_from: tuple[CopiedFrom, ...] = ()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from datamon.store.clock import timestamp  # these two only where there is a page to show it
        from datamon.store.html_text import facts_html

        facts = [
            ("message", self.message),
            ("author", f"{self.author.name} <{self.author.email}>"),
            ("time", timestamp(self.time_ns)),
            ("entries", f"{self.entries:,}"),
            ("bytes", f"{self.size_bytes:,}"),
            ("written by run", self.run),
            ("parents", ", ".join(self.parents)),
        ]
        return facts_html(f"bundle {self.id}", facts)

    def to_record(self) -> Record:
        """As it is stored inside a `commit` entry."""
        record: Record = {
            "id": self.id,
            "manifest": self.manifest,
            "content": self.content,
            "parents": list(self.parents),
            "author": self.author.to_record(),
            "time": self.time_ns,
            "message": self.message,
            "entries": self.entries,
            "bytes": self.size_bytes,
            "run": self.run,
            "role": self.role,
        }
        if self.copied_from:
            record["from"] = [original.to_record() for original in self.copied_from]
        return record

    @classmethod
    def from_record(cls, repo: RepoId, record: Record) -> "Bundle":
        """From the `bundle` of a `commit` entry in the log of `repo`."""
        return cls(
            id=BundleId(record["id"]),
            repo=repo,
            manifest=ManifestId(record["manifest"]),
            content=ContentId(record["content"]),
            parents=tuple(BundleId(parent) for parent in record["parents"]),
            author=Author.from_record(record["author"]),
            time_ns=record["time"],
            message=record["message"],
            entries=record["entries"],
            size_bytes=record["bytes"],
            run=RunId(record["run"]) if record["run"] else None,
            role=record["role"],
            copied_from=tuple([CopiedFrom.from_record(original) for original in record.get("from", ())]),
        )


@dataclass(frozen=True, slots=True)
class Move:
    """One change of one ref: made (old None), moved, or deleted (new None)."""

    ref: str
    ref_kind: RefKind
    old: BundleId | None
    new: BundleId | None
    frozen: bool = False

    def to_record(self) -> Record:
        """As it is stored."""
        return {
            "ref": self.ref,
            "ref_kind": self.ref_kind,
            "old": self.old,
            "new": self.new,
            "frozen": self.frozen,
        }

    @classmethod
    def from_record(cls, record: Record) -> "Move":
        """From what is stored."""
        return cls(
            ref=record["ref"],
            ref_kind="label" if record["ref_kind"] == "label" else "branch",
            old=BundleId(record["old"]) if record["old"] else None,
            new=BundleId(record["new"]) if record["new"] else None,
            frozen=bool(record.get("frozen", False)),
        )


@dataclass(frozen=True, slots=True)
class Ref:
    """A label or branch as it stands: what it points at, and who moved it last, when, by which log entry."""

    name: str
    kind: RefKind
    bundle: BundleId
    frozen: bool
    author: Author
    time_ns: int
    number: int

    def to_record(self) -> Record:
        """As a checkpoint of the log keeps it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "bundle": self.bundle,
            "frozen": self.frozen,
            "author": self.author.to_record(),
            "time": self.time_ns,
            "number": self.number,
        }

    @classmethod
    def from_record(cls, record: Record) -> "Ref":
        """From what a checkpoint keeps."""
        return cls(
            name=record["name"],
            kind="label" if record["kind"] == "label" else "branch",
            bundle=BundleId(record["bundle"]),
            frozen=bool(record["frozen"]),
            author=Author.from_record(record["author"]),
            time_ns=record["time"],
            number=record["number"],
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a commit log. `moves` is what it does to refs, `bundles` what it makes (a commit one bundle), `deleted` what
    it deletes, `replaced` which of its bundles stands in for which deleted one. `condemned` are pack names and metadata keys that
    may not be relied on any more, `fenced` sessions that may not commit, `swept` what of the condemned is gone. `original_ns` is
    when what was taken over from another store was made there."""

    number: int
    id: str
    kind: str
    time_ns: int
    author: Author
    moves: tuple[Move, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    run: RunId | None = None
    deleted: tuple[BundleId, ...] = ()
    replaced: Mapping[BundleId, BundleId] = field(default_factory=dict)
    reason: str | None = None
    condemned: frozenset[str] = frozenset()
    fenced: frozenset[SessionId] = frozenset()
    swept: frozenset[str] = frozenset()
    original_ns: int | None = None
    record: Record = field(default_factory=dict)

    @property
    def made_ns(self) -> int:
        """When a person made this: the entry's time, but where it was taken over from another store the time there."""
        return self.time_ns if self.original_ns is None else self.original_ns
