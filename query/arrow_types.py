"""From DuckDB's names of types to Arrow's types, and values into what Arrow takes."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow

from datamon.errors import Invalid

Convert = Callable[[Any], Any]
_TOKEN = re.compile(r"""\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_]*|\d+|[(),\[\]])""")
_UNITS = {"TIMESTAMP_S": "s", "TIMESTAMP_MS": "ms", "TIMESTAMP": "us", "TIMESTAMP_NS": "ns"}
_PLAIN = {
    "VARCHAR": pyarrow.string(),
    "JSON": pyarrow.string(),
    "BIT": pyarrow.string(),
    "BIGNUM": pyarrow.string(),
    "BOOLEAN": pyarrow.bool_(),
    "TINYINT": pyarrow.int8(),
    "SMALLINT": pyarrow.int16(),
    "INTEGER": pyarrow.int32(),
    "BIGINT": pyarrow.int64(),
    "HUGEINT": pyarrow.decimal128(38, 0),
    "UTINYINT": pyarrow.uint8(),
    "USMALLINT": pyarrow.uint16(),
    "UINTEGER": pyarrow.uint32(),
    "UBIGINT": pyarrow.uint64(),
    "UHUGEINT": pyarrow.decimal128(38, 0),
    "FLOAT": pyarrow.float32(),
    "DOUBLE": pyarrow.float64(),
    "DATE": pyarrow.date32(),
    "TIME": pyarrow.time64("us"),
    "TIME_NS": pyarrow.time64("ns"),
    "INTERVAL": pyarrow.duration("us"),
    "BLOB": pyarrow.binary(),
    "NULL": pyarrow.null(),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of DuckDB: its name, what it is made of, and the names of those parts; or the numbers in its parentheses."""

    name: str
    parts: "tuple[Kind, ...]" = ()
    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """An Arrow type, and what makes a value one that Arrow takes for it (None: the value as it is)."""

    type: pyarrow.DataType
    convert: Convert | None = None


def column_of(kind: str, zone: str | None = None) -> Column:
    """The Arrow type for DuckDB's type of this name; times have the time zone `zone`. What Arrow has no like of (a union, a time
    with a zone) becomes text.

    >>> column_of("VARCHAR[]").type, column_of("TIMESTAMP", "UTC").type, column_of("HUGEINT").type
    (ListType(list<item: string>), TimestampType(timestamp[us, tz=UTC]), Decimal128Type(decimal128(38, 0)))
    """
    return _column(parse_kind(kind), zone)


def array_of(values: Sequence[Any], kind: str, zone: str | None = None) -> pyarrow.Array:
    """Values of DuckDB's type of this name as an Arrow array. Raises Invalid (`bad-argument`) for one that has no form there."""
    column = column_of(kind, zone)
    converted = values if column.convert is None else [_through(column.convert, value) for value in values]
    try:
        return pyarrow.array(converted, type=column.type)
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError) as error:
        said = f"a value is no {column.type} ({error}); cast it to DOUBLE or VARCHAR"
        raise Invalid("bad-argument", said, type=kind) from error


def parse_kind(text: str) -> Kind:
    """A type as DuckDB names it.

    >>> parse_kind('STRUCT("a b" INTEGER, c DECIMAL(18,3)[])').names
    ('a b', 'c')
    """
    tokens = [token for token in _TOKEN.findall(text) if token]
    try:
        kind, rest = _kind(tokens)
    except (IndexError, ValueError):
        return Kind(text)
    return Kind(text) if rest else kind


def _kind(tokens: list[str]) -> tuple[Kind, list[str]]:
    name = _plain_name(tokens[0])
    rest = tokens[1:]
    while rest and rest[0].isalpha() and name in _WORDS_AHEAD:  # TIMESTAMP WITH TIME ZONE
        name, rest = f"{name} {rest[0]}", rest[1:]
    kind = Kind(name)
    if rest and rest[0] == "(":
        kind, rest = _with_parts(name, rest[1:])
    while rest and rest[0] == "[":
        kind, rest = Kind("LIST", (kind,)), rest[rest.index("]") + 1 :]
    return kind, rest


_WORDS_AHEAD = ("TIMESTAMP", "TIMESTAMP WITH", "TIMESTAMP WITH TIME", "TIME", "TIME WITH", "TIME WITH TIME")


def _with_parts(name: str, tokens: list[str]) -> tuple[Kind, list[str]]:
    parts: list[Kind] = []
    names: list[str] = []
    numbers: list[int] = []
    while tokens[0] != ")":
        if tokens[0] == ",":
            tokens = tokens[1:]
        elif tokens[0].isdigit():
            numbers.append(int(tokens[0]))
            tokens = tokens[1:]
        elif tokens[0].startswith("'"):
            tokens = tokens[1:]  # a word of an ENUM
        else:
            if name in ("STRUCT", "UNION"):
                names.append(_plain_name(tokens[0]))
                tokens = tokens[1:]
            part, tokens = _kind(tokens)
            parts.append(part)
    return Kind(name, tuple(parts), tuple(names), tuple(numbers)), tokens[1:]


def _plain_name(token: str) -> str:
    if not (token[0].isalpha() or token[0] in '"_'):
        raise ValueError(token)
    return token[1:-1].replace('""', '"') if token.startswith('"') else token


def _column(kind: Kind, zone: str | None) -> Column:
    if kind.name in _PLAIN:
        return Column(_PLAIN[kind.name])
    if kind.name in _UNITS:
        return Column(pyarrow.timestamp(_UNITS[kind.name], zone))
    inner = [_column(part, zone) for part in kind.parts]
    converts = [each.convert for each in inner]
    match kind.name:
        case "DECIMAL":
            return Column(pyarrow.decimal128(*kind.numbers))
        case "LIST":
            return Column(pyarrow.list_(inner[0].type), _list_convert(converts[0]))
        case "STRUCT":
            fields = [pyarrow.field(name, each.type) for name, each in zip(kind.names, inner, strict=True)]
            return Column(pyarrow.struct(fields), _struct_convert(kind.names, converts))
        case "TUPLE":
            names = tuple(str(number) for number in range(1, len(inner) + 1))
            fields = [pyarrow.field(name, each.type) for name, each in zip(names, inner, strict=True)]
            return Column(pyarrow.struct(fields), _tuple_convert(names, converts))
        case "MAP":
            return Column(pyarrow.map_(inner[0].type, inner[1].type), _map_convert(converts[0], converts[1]))
        case _:
            return Column(pyarrow.string(), str)


def _through(convert: Convert | None, value: Any) -> Any:
    return value if convert is None or value is None else convert(value)


def _list_convert(inner: Convert | None) -> Convert:
    return lambda values: [_through(inner, value) for value in values]


def _struct_convert(names: Sequence[str], inner: Sequence[Convert | None]) -> Convert:
    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _through(each, value[name]) for name, each in zip(names, inner, strict=True)}

    return convert


def _tuple_convert(names: Sequence[str], inner: Sequence[Convert | None]) -> Convert:
    def convert(value: Sequence[Any]) -> dict[str, Any]:
        return {name: _through(each, part) for name, each, part in zip(names, inner, value, strict=True)}

    return convert


def _map_convert(keys: Convert | None, values: Convert | None) -> Convert:
    return lambda pairs: [(_through(keys, key), _through(values, value)) for key, value in pairs.items()]
