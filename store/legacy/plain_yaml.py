"""YAML as the first datamon wrote it, read as texts, lists and mappings: what a text means is for those who know the field.

Nothing is guessed: a file named `no` stays one, a time keeps its nanoseconds, and a key that is there twice is an error.
"""

import base64
import binascii
from typing import Any, NamedTuple, TypeAlias

import yaml

from datamon.errors import Corrupt

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain]"

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_BINARY = "tag:yaml.org,2002:binary"


class Where(NamedTuple):
    """Where a record was read: the place, as a person would write it, and the name there."""

    url: str
    name: str

    def __str__(self) -> str:
        return f"{self.url}/{self.name}"

    def corrupt(self, fault: str) -> Corrupt:
        """The error (`bad-record`) that says what is wrong with the record."""
        return Corrupt("bad-record", f"{self} {fault}; restore it from a copy", key=self.name)


def parse(content: bytes, where: Where) -> Plain:
    """What the document says; a text that is not UTF-8 has its bytes as surrogates. Raises Corrupt (`bad-record`)."""
    try:
        node = yaml.compose(content, Loader=_LOADER)
        return _plain(node, set())
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError, TypeError, binascii.Error) as error:
        reason = " ".join(str(error).split())[:120]
        raise where.corrupt(f"cannot be read ({reason})") from error


def _plain(node: yaml.Node | None, seen: set[int]) -> Plain:
    if isinstance(node, yaml.ScalarNode):
        text: str = node.value
        return base64.b64decode(text).decode("utf-8", "surrogateescape") if node.tag == _BINARY else text
    if id(node) in seen:
        raise ValueError("it refers to itself")
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each, seen) for each in node.value]
    if not isinstance(node, yaml.MappingNode):
        raise TypeError("it is empty")
    found: dict[str, Plain] = {}
    for key, value in node.value:
        name = _plain(key, seen)
        if not isinstance(name, str) or name in found:
            raise ValueError(f"the key {name!r} is there twice, or is none")
        found[name] = _plain(value, seen)
    return found
