"""What a configuration file may say, and reading it. Only a file that is there is checked, which takes pydantic."""

import difflib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from datamon.errors import Invalid, NotFound

if TYPE_CHECKING:
    from pydantic import ConfigDict, ValidationError

Checked = TypeVar("Checked")
_STRICT: "ConfigDict" = {"extra": "forbid", "strict": True}
_OPEN: "ConfigDict" = {"extra": "allow", "strict": True}


@dataclass(frozen=True)
class Encryption:
    """How an encrypted store is opened."""

    __pydantic_config__: ClassVar["ConfigDict"] = _STRICT

    key_file: str


@dataclass(frozen=True)
class SideKeys:
    """One side of a mirrored store: where it lies, said like a store's own place."""

    __pydantic_config__: ClassVar["ConfigDict"] = _STRICT

    name: str
    metadata: str
    blob: str | None = None
    credential: str | None = None


@dataclass(frozen=True)
class MirrorKeys:
    """The sides of a mirrored store."""

    __pydantic_config__: ClassVar["ConfigDict"] = _STRICT

    sides: list[SideKeys]
    min_sides: int = 2

    def __post_init__(self) -> None:
        if len(self.sides) < 2:
            raise ValueError("list should have at least 2 items")


@dataclass(frozen=True)
class Place:
    """The keys that say where a store lies and who writes to it: at the top of the file, or in one of its contexts."""

    __pydantic_config__: ClassVar["ConfigDict"] = _OPEN

    metadata: str | None = None
    blob: str | None = None
    email: str | None = None
    name: str | None = None
    credential: str | None = None
    encryption: Encryption | None = None
    mirror: MirrorKeys | None = None


@dataclass(frozen=True)
class Secrets:
    """What must never be recorded."""

    __pydantic_config__: ClassVar["ConfigDict"] = _STRICT

    names: list[str] = field(default_factory=list)
    values_from: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Signing:
    """Who signs runs, and whose signatures are trusted."""

    __pydantic_config__: ClassVar["ConfigDict"] = _STRICT

    key_file: str | None = None
    trusted_key_files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Cache:
    """What is kept on this machine's disk of far places."""

    __pydantic_config__: ClassVar["ConfigDict"] = _STRICT

    size: str | int | None = None
    path: str | None = None


@dataclass(frozen=True)
class Configuration(Place):
    """A configuration file. Keys that are not known are left alone."""

    context: str | None = None
    config: str | None = None
    contexts: dict[str, Place] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)
    cache: Cache = field(default_factory=Cache)
    signing: Signing = field(default_factory=Signing)
    variables: list[str] = field(default_factory=list)


def read_configuration(file: Path, *, must_exist: bool = False) -> Configuration:
    """What a configuration file says; nothing when it is absent and need not exist. Raises `bad-config`."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if must_exist:
            raise NotFound(
                "path-not-found",
                f"there is no configuration file {file}; make it with `datamon config create`",
                path=str(file),
            ) from None
        return Configuration()
    except OSError as error:
        raise Invalid(
            "bad-config",
            f"the configuration {file} cannot be read ({error.strerror}); name another with --config, or mend it",
            file=str(file),
        ) from error
    except UnicodeDecodeError as error:
        raise _no_yaml(file, error) from error
    import yaml  # 9 ms, which nobody needs without a file

    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _no_yaml(file, error) from error
    _check_keys(document, file)
    return checked(
        Configuration, {} if document is None else document, f"the configuration {file} is wrong", file=str(file)
    )


def checked(kind: type[Checked], said: object, wrong: str, next_step: str = "correct it", **facts: object) -> Checked:
    """What was said, as one of these nouns. Raises Invalid (`bad-config`), which begins with `wrong` and tells the place."""
    import pydantic_core  # pydantic takes 50 ms, which nobody needs without a file
    from pydantic import TypeAdapter, ValidationError

    try:
        # In strict mode only JSON may stand for a dataclass.
        return TypeAdapter(kind).validate_json(pydantic_core.to_json(said, fallback=repr))
    except ValidationError as error:
        raise Invalid("bad-config", f"{wrong}{_fault(error)}; {next_step}", **facts) from error


def said_in(noun: object) -> dict[str, Any]:
    """What a noun of the file says, as the file would say it, keys that are not known included; nothing that is not said."""
    return {name: _plain(value) for name, value in vars(noun).items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return said_in(value) if is_dataclass(value) else value


def _no_yaml(file: Path, error: Exception) -> Invalid:
    return Invalid("bad-config", f"the configuration {file} is not YAML{_line(error)}; correct it", file=str(file))


def _check_keys(document: object, file: Path) -> None:
    """Keys that are not known are left alone, but not one that is a known one misspelt: what it says would not hold."""
    known = {each.name for each in fields(Configuration)}
    for key in document if isinstance(document, dict) else ():
        near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.8)
        if key not in known and near:
            raise Invalid(
                "bad-config", f"the configuration {file} has the key {key!r}; did you mean {near[0]!r}?", file=str(file)
            )


def _fault(error: "ValidationError") -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{f' at {where}' if where else ''}: {first['msg'].lower()}"


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" at line {mark.line + 1}" if mark is not None else ""
