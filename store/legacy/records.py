"""The first datamon's records, from their YAML."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from blake3 import blake3

from datamon.errors import Corrupt
from datamon.store.bundle import Author
from datamon.store.ids import BundleId, is_ksuid, ksuid_time_ns
from datamon.store.legacy.keys import LeafRule
from datamon.store.legacy.plain_yaml import Plain, Where, parse

NOBODY = Author("unknown", "unknown")
"""The author of what says none: the first datamon could be told to ask for nobody's name."""
LONGEST_LIST = 1000
"""So many files has every list of a bundle but the last."""

_NEWEST_VERSION = 2
_MOST_LEAF_BYTES = 64 * 2**20
_MOST_BYTES = 2**63
_ROOT = re.compile(r"[0-9a-f]{128}")
_NUMBER = re.compile(r"[0-9]{1,19}")
_TIME = re.compile(
    r"(?P<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)", re.ASCII
)
_NO_TIME = "0001-01-01T00:00:00Z"

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class LegacyRepo:
    """A repo's record; `time_ns` None where it says none."""

    description: str
    author: Author
    time_ns: int | None


@dataclass(frozen=True, slots=True)
class LegacyBundle:
    """A bundle's record: `lists` file lists, cut by `leaves`; the first of `contributors` counts as the author. `digest` is the
    BLAKE3 of the record itself."""

    id: BundleId
    message: str
    parents: tuple[BundleId, ...]
    time_ns: int
    contributors: tuple[Author, ...]
    lists: int
    leaves: LeafRule
    digest: bytes

    @property
    def author(self) -> Author:
        """Who made it."""
        return self.contributors[0] if self.contributors else NOBODY


class LegacyFile(NamedTuple):
    """One file of a bundle: its name as it is written, the 64 bytes of its root key, its size, its permission bits (0: not kept)
    and its time (None: not kept)."""

    name: str
    root: bytes
    size_bytes: int
    mode: int
    time_ns: int | None


@dataclass(frozen=True, slots=True)
class LegacyLabel:
    """What a label says: the bundle, when it was set (None where it says none), by whom."""

    bundle: BundleId
    time_ns: int | None
    author: Author


def read_repo(content: bytes, repo: str, where: Where) -> LegacyRepo:
    """The record of `repo`. Raises Corrupt (`bad-record`)."""
    fields = _Fields(parse(content, where), where)
    if fields.get("name", _text, repo) != repo:
        raise fields.wrong("names another repo")
    description = fields.get("description", _text, "")
    return LegacyRepo(description, fields.get("contributor", _author, NOBODY), fields.get("timestamp", _time, None))


def read_bundle(content: bytes, bundle: str, where: Where) -> LegacyBundle:
    """The record of `bundle`. Raises Corrupt (`bad-record`), also for a version that is not known."""
    fields = _Fields(parse(content, where), where)
    if not is_ksuid(bundle) or fields.need("id", _text) != bundle:
        raise fields.wrong("names another bundle")
    version = fields.get("version", _number, 0)
    if version > _NEWEST_VERSION or fields.get("deduplication", _text, "blake") != "blake":
        raise fields.wrong("is of a version that is not known")
    leaf_bytes = fields.need("leafSize", _number)
    rule = LeafRule.of(leaf_bytes, version)
    if not 0 < rule.content_bytes <= leaf_bytes <= _MOST_LEAF_BYTES:
        raise fields.wrong("has a leaf size that cannot be")
    time_ns = fields.get("timestamp", _time, None)
    return LegacyBundle(
        id=BundleId(bundle),
        message=fields.get("message", _text, ""),
        parents=tuple(map(BundleId, fields.get("parents", _texts, list[str]()))),
        time_ns=ksuid_time_ns(bundle) if time_ns is None else time_ns,
        contributors=fields.get("contributors", _authors, tuple[Author, ...]()),
        lists=fields.need("count", _number),
        leaves=rule,
        digest=blake3(content).digest(),
    )


def read_files(content: bytes, where: Where) -> list[LegacyFile]:
    """The files of one list, in its order. Raises Corrupt (`bad-record`)."""
    rows = _Fields(parse(content, where), where).need("BundleEntries", _list)
    return [_file(_Fields(row, where)) for row in rows]


def read_label(content: bytes, label: str, where: Where) -> LegacyLabel:
    """The record of `label`. Raises Corrupt (`bad-record`)."""
    fields = _Fields(parse(content, where), where)
    if fields.get("name", _text, label) != label:
        raise fields.wrong("names another label")
    bundle = fields.need("id", _text)
    if not is_ksuid(bundle):
        raise fields.wrong("names no bundle")
    authors = fields.get("contributors", _authors, tuple[Author, ...]())
    return LegacyLabel(BundleId(bundle), fields.get("timestamp", _time, None), authors[0] if authors else NOBODY)


def read_places(content: bytes, where: Where) -> tuple[str, str, str]:
    """The places of a context's record: metadata, versioned metadata, blobs. Raises Corrupt (`bad-record`)."""
    fields = _Fields(parse(content, where), where)
    return fields.need("metadata", _text), fields.need("vmetadata", _text), fields.need("blob", _text)


def _file(fields: "_Fields") -> LegacyFile:
    return LegacyFile(
        name=fields.need("name", _text),
        root=fields.need("hash", _key),
        size_bytes=fields.need("size", _number),
        mode=fields.get("mode", _number, 0) & 0o777,
        time_ns=fields.get("timestamp", _time, None),
    )


class _Fields:
    """A mapping whose values are looked at one by one."""

    def __init__(self, plain: Plain, where: Where) -> None:
        self._where = where
        if not isinstance(plain, dict):
            raise self.wrong("is no record")
        self._plain = plain

    def need(self, name: str, told: Callable[[Plain], _Told]) -> _Told:
        """The field of this name, as `told` reads it."""
        if name not in self._plain:
            raise self.wrong(f"has no {name}")
        try:
            return told(self._plain[name])
        except (TypeError, ValueError) as error:
            raise self.wrong(f"has a {name} that cannot be read") from error

    def get(self, name: str, told: Callable[[Plain], _Told], otherwise: _Told) -> _Told:
        """The same, or `otherwise` where there is none."""
        return self.need(name, told) if name in self._plain else otherwise

    def wrong(self, fault: str) -> Corrupt:
        """The error that says what is wrong with the record."""
        return self._where.corrupt(fault)


def _text(plain: Plain) -> str:
    if isinstance(plain, str):
        return plain
    raise ValueError


def _list(plain: Plain) -> list[Plain]:
    if isinstance(plain, list):
        return plain
    if plain in ("", "null", "~"):
        return []
    raise ValueError


def _texts(plain: Plain) -> list[str]:
    return [_text(each) for each in _list(plain)]


def _number(plain: Plain) -> int:
    text = _text(plain)
    if not _NUMBER.fullmatch(text) or int(text) >= _MOST_BYTES:
        raise ValueError
    return int(text)


def _key(plain: Plain) -> bytes:
    text = _text(plain)
    if not _ROOT.fullmatch(text):
        raise ValueError
    return bytes.fromhex(text)


def _author(plain: Plain) -> Author:
    if not isinstance(plain, dict):
        raise TypeError
    name, email = _text(plain.get("name", "")), _text(plain.get("email", ""))
    return Author(name or email, email or name) if name or email else NOBODY


def _authors(plain: Plain) -> tuple[Author, ...]:
    return tuple(map(_author, _list(plain)))


def _time(plain: Plain) -> int | None:
    """Nanoseconds since 1970; None for the zero of the language that wrote it."""
    text = _text(plain)
    if text == _NO_TIME:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError
    moment = datetime.fromisoformat(match["second"] + ("+00:00" if match["zone"] == "Z" else match["zone"]))
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    time_ns = int(seconds) * 10**9 + int((match["fraction"] or "").ljust(9, "0"))
    if not 0 < time_ns < _MOST_BYTES:
        raise ValueError
    return time_ns
