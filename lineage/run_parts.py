"""The nouns that a run's records are made of, and how each is stored (docs/format.md, "Journal")."""

import math
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

from datamon.store.bundle import Move, RefKind
from datamon.store.codec import Record
from datamon.store.ids import BundleId, ContentId, RepoId

Scalar = bool | int | float | str | None
ParamValue = Scalar | list[Any] | dict[str, Any]
"""What JSON can say. A float is finite; `param_values.param_value` makes one of anything."""
Status = Literal["running", "succeeded", "failed", "abandoned"]
Level = Literal["run", "stage", "pod", "container"]
"""What a run is within a pipeline's run, from the whole inward."""
CodeMethod = Literal["function", "script", "paths", "cell", "none"]
ParamSource = Literal["explicit", "file", "default"]
InputRefKind = Literal["branch", "label", "ancestor", "id"]

T = TypeVar("T")


def _stored(noun: Any) -> Record:
    """The fields of a noun by their names, its tuples as lists."""
    values = ((name, getattr(noun, name)) for name in noun.__slots__)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def _read(kind: type[T], record: Record) -> T:
    """The reverse of `_stored`; fields that this version does not know are passed over, and one that an earlier version did not
    write has its default."""
    return kind(
        **{
            name: tuple(record[name]) if is_tuple and record[name] is not None else record[name]
            for name, is_tuple, is_needed in _fields(cast(Any, kind))
            if is_needed or name in record
        }
    )


@cache
def _fields(kind: Any) -> tuple[tuple[str, bool, bool], ...]:
    """The names of a noun's fields, each with whether it is a tuple (or None), and whether every record has it."""
    return tuple((each.name, _is_tuple(each.type), each.default is MISSING) for each in fields(kind))


def _is_tuple(annotation: Any) -> bool:
    return any(get_origin(each) is tuple for each in (annotation, *get_args(annotation)))


@dataclass(frozen=True, slots=True)
class Host:
    """Where a recorder runs. `boot` names one start of the machine; `pid_started` is only ever compared for equality
    with the same process asked again (clock ticks since the boot on Linux, milliseconds since 1970 elsewhere)."""

    name: str
    boot: str
    pid: int
    pid_started: int
    system: str
    machine: str
    cpus: int

    def to_record(self) -> Record:
        """As it is stored."""
        return _stored(self)

    @classmethod
    def from_record(cls, record: Record) -> "Host":
        """From what is stored."""
        return _read(cls, record)


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """What ran. `root` is the first commit of the git repository, `host_path` where its top lay on the recording host;
    `dirty` a hash of what differed from `commit` (None: nothing). `fingerprint` was taken by `method` of `paths`
    (relative to the top, else absolute) and, for a function, of `function`; `unresolved` are names it could not follow.
    `bundle` of the hidden repo holds the files; in those of them that are `masked` a secret value was."""

    root: str | None = None
    host_path: str | None = None
    commit: str | None = None
    dirty: str | None = None
    remote: str | None = None
    fingerprint: str | None = None
    method: CodeMethod = "none"
    paths: tuple[str, ...] = ()
    function: str | None = None
    unresolved: tuple[str, ...] = ()
    bundle: BundleId | None = None
    masked: tuple[str, ...] = ()

    def to_record(self) -> Record:
        """As it is stored: `bundle` and `masked` only where there are any."""
        stored = _stored(self)
        return {name: value for name, value in stored.items() if value or name not in ("bundle", "masked")}

    @classmethod
    def from_record(cls, record: Record) -> "CodeVersion":
        """From what is stored."""
        return _read(cls, record)


@dataclass(frozen=True, slots=True)
class Param:
    """A value that a run was given. With source `file`, `file` is relative to the code root and `key` is dotted. `exact` is
    False where `value` only describes what a function was given, so that it cannot be given again."""

    name: str
    value: ParamValue
    source: ParamSource = "explicit"
    file: str | None = None
    key: str | None = None
    exact: bool = True

    def to_record(self) -> Record:
        """As it is stored: an exact one without saying so."""
        record = _stored(self)
        if self.exact:
            del record["exact"]
        return record

    @classmethod
    def from_record(cls, record: Record) -> "Param":
        """From what is stored."""
        return _read(cls, record)


@dataclass(frozen=True, slots=True)
class InputRecord:
    """A run's read: what the reference `ref` of kind `ref_kind` was when the run began. `content` is that of the part at
    `path`, or of the whole bundle. `how` is `declared` or `observed`; `changed` are paths that the run itself altered.
    `directory` is where the files lay for a command, relative to the code root, else absolute; None where datamon chose.
    `read` are the paths of the part that the run opened, with a `/` at the end those of directories that it listed (`/` is the
    part's own top); None where that is not wholly known. `absent` are those that it looked for and that were not there."""

    role: str
    repo: RepoId
    repo_name: str
    ref: str | None
    ref_kind: InputRefKind
    bundle: BundleId
    content: ContentId
    path: str = ""
    how: str = "declared"
    changed: tuple[str, ...] = ()
    directory: str | None = None
    read: tuple[str, ...] | None = None
    absent: tuple[str, ...] = ()

    def to_record(self) -> Record:
        """As it is stored. What was not observed is not in it."""
        record = _stored(self)
        if self.read is None:
            del record["read"]
        if not self.absent:
            del record["absent"]
        return record

    @classmethod
    def from_record(cls, record: Record) -> "InputRecord":
        """From what is stored."""
        return _read(cls, record)


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """Where a run means to write: known when it opens. `directory` as in `InputRecord`."""

    role: str
    repo: RepoId
    repo_name: str
    branch: str
    directory: str | None = None

    def to_record(self) -> Record:
        """As it is stored."""
        return _stored(self)

    @classmethod
    def from_record(cls, record: Record) -> "PlannedOutput":
        """From what is stored."""
        return _read(cls, record)


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """A run's write: the bundle that it committed."""

    role: str
    repo: RepoId
    repo_name: str
    branch: str
    bundle: BundleId
    content: ContentId

    def to_record(self) -> Record:
        """As it is stored."""
        return _stored(self)

    @classmethod
    def from_record(cls, record: Record) -> "OutputRecord":
        """From what is stored."""
        return _read(cls, record)


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a run measured. What JSON cannot say is stored as `nan`, `inf` or `-inf`."""

    name: str
    value: float

    def to_record(self) -> Record:
        """As it is stored."""
        return {"name": self.name, "value": self.value if math.isfinite(self.value) else str(self.value)}

    @classmethod
    def from_record(cls, record: Record) -> "Metric":
        """From what is stored."""
        return cls(record["name"], float(record["value"]))


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """A ref that a run's end moves, if it still points at `old`."""

    repo: RepoId
    ref: str
    ref_kind: RefKind
    old: BundleId | None
    new: BundleId

    def to_record(self) -> Record:
        """As it is stored."""
        return _stored(self)

    @classmethod
    def from_record(cls, record: Record) -> "PlannedMove":
        """From what is stored."""
        return _read(cls, record)

    def as_move(self) -> Move:
        """As an entry of the repo's log would make it."""
        return Move(self.ref, self.ref_kind, self.old, self.new)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a run took: seconds of wall clock and of CPU, and the largest resident memory in bytes; None where it is not known, as
    for a command that took less memory than its recorder."""

    wall_s: float
    user_s: float | None
    system_s: float | None
    max_rss_bytes: int | None

    def to_record(self) -> Record:
        """As it is stored."""
        return _stored(self)

    @classmethod
    def from_record(cls, record: Record) -> "Resources":
        """From what is stored."""
        return _read(cls, record)


@dataclass(frozen=True, slots=True)
class Capture:
    """What was seen of a run's files by `method`, which cannot see `blind_spots`. `undeclared` and `written` are files that were
    read and written outside of inputs, outputs, code and system, absolute, the first of so many as their counts say. `reads`,
    `writes` and `absent` count all paths that were used so, `system` those of them that belong to the system. `truncated` says
    that there was more than could be kept; `whole` that no read of a file's content can be missing."""

    method: str
    blind_spots: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    undeclared_count: int = 0
    written: tuple[str, ...] = ()
    written_count: int = 0
    reads: int = 0
    writes: int = 0
    absent: int = 0
    system: int = 0
    truncated: bool = False
    whole: bool = False

    def to_record(self) -> Record:
        """As it is stored."""
        return _stored(self)

    @classmethod
    def from_record(cls, record: Record) -> "Capture":
        """From what is stored."""
        return _read(cls, record)


_SURROUNDINGS = frozenset({"container", "image", "gpus"})


@dataclass(frozen=True, slots=True)
class EnvironmentPart:
    """A part of the environment that counts for a step, by the name that its policy gave it, and its value when the run began;
    None when it was not there."""

    name: str
    value: str | None

    def to_record(self) -> Record:
        """As it is stored."""
        return _stored(self)

    @classmethod
    def from_record(cls, record: Record) -> "EnvironmentPart":
        """From what is stored."""
        return _read(cls, record)


@dataclass(frozen=True, slots=True)
class Environment:
    """The Python that ran, its packages, the declared environment variables, and the container and GPUs (`Surroundings`); kept
    once under its hash."""

    python: str | None
    implementation: str | None
    platform: str
    packages: dict[str, str]
    variables: dict[str, str]
    container: str | None = None
    image: str | None = None
    gpus: tuple[str, ...] = ()

    def to_record(self) -> Record:
        """As it is stored: what is not known of container and GPUs is left out."""
        known = _stored(self)
        return {name: value for name, value in known.items() if value or name not in _SURROUNDINGS}

    @classmethod
    def from_record(cls, record: Record) -> "Environment":
        """From what is stored."""
        return _read(cls, record)
