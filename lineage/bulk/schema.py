"""The JSON Schema of exported runs, made from the nouns that runs are recorded by, and the check of a document against it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from datamon.lineage.records import Metric, RunClosed, RunOpened
from datamon.lineage.replays import ReplayedOutput
from datamon.store.codec import FORMAT, Record
from datamon.store.ids import BundleId, RepoId, RunId

KIND = "run"
SCHEMA_URI = "https://json-schema.org/draft/2020-12/schema"
Check = Callable[[object], bool]
_KSUID = {"type": "string", "pattern": "^[0-9A-Za-z]{27}$"}
_KSUIDS = (RunId, BundleId, RepoId)
_PLAIN: Mapping[object, Record] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
}
_PART: Record = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {"name": {"type": "string"}, "value": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
}
_POLICY: Record = {
    "type": "object",
    "required": ["env"],
    "properties": {
        "env": {"type": "array", "items": {"type": "string"}},
        "parts": {"type": "array", "items": _PART},
    },
}
_REPLAY: Record = {
    "type": "object",
    "required": [
        "event",
        "started",
        "ended",
        "verdict",
        "outputs",
        "error",
        "environment",
        "packages",
        "whole",
        "host",
        "author",
    ],
    "properties": {
        "event": _KSUID,
        "started": {"type": "integer"},
        "ended": {"type": "integer"},
        "verdict": {"enum": ["matched", "differed", "failed"]},
        "outputs": {"type": "array", "items": {"type": "object", "required": list(ReplayedOutput.__slots__)}},
    },
}
_SMALL: Record = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
_METRIC_VALUE: Record = {"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}]}
_SPECIAL: Mapping[tuple[type, str], tuple[str, Record]] = {
    (RunOpened, "policy_env"): ("policy", _POLICY),
    (RunOpened, "policy"): ("policy", _POLICY),
    (RunClosed, "exit_code"): ("exit_code", {"anyOf": [_SMALL, {"type": "null"}]}),
    (Metric, "value"): ("value", _METRIC_VALUE),
}
"""Fields that are not stored as they are in the noun: under which name, and as what."""
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (NoneType,),
    "array": (list,),
    "object": (dict,),
}


def run_schema() -> Record:
    """What a line of an export is. Fields that it does not name are allowed: a newer datamon may write them."""
    environment: Record = {"type": "object", "required": ["format"], "properties": {"format": {"type": "integer"}}}
    return {
        "$schema": SCHEMA_URI,
        "title": "A run recorded by datamon",
        "description": "One line of `datamon run export`. Times are nanoseconds since 1970-01-01 in UTC.",
        "type": "object",
        "required": ["format", "kind", "run", "close", "abandoned", "environment"],
        "properties": {
            "format": {"const": FORMAT},
            "kind": {"const": KIND},
            "run": _schema_of(RunOpened),
            "close": {"anyOf": [_schema_of(RunClosed), {"type": "null"}]},
            "abandoned": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "environment": {"anyOf": [environment, {"type": "null"}]},
            "replays": {"type": "array", "items": _REPLAY},
        },
    }


def check_by(schema: Record) -> Check:
    """Whether a document fits a schema that `run_schema` could have made: as `faults`, in a fifth of the time and without
    reasons."""
    if "anyOf" in schema:
        choices = [check_by(choice) for choice in schema["anyOf"]]
        return lambda document: any(choice(document) for choice in choices)
    if schema.get("type") == "object":
        return _check_of_object(schema)
    if schema.get("type") == "array" and "items" in schema:
        each = check_by(schema["items"])
        return lambda document: type(document) is list and all(map(each, document))
    if schema.get("type") == "string":
        pattern = re.compile(schema.get("pattern", ""))
        return lambda document: type(document) is str and pattern.search(document) is not None
    if schema.get("type") == "null":
        return lambda document: document is None
    if "minimum" in schema:
        least, most = schema["minimum"], schema["maximum"]
        return lambda document: (
            least <= document <= most if type(document) is int else next(faults(document, schema), None) is None
        )
    return lambda document: next(faults(document, schema), None) is None


def _check_of_object(schema: Record) -> Check:
    required = frozenset(schema.get("required", ()))
    properties = {name: check_by(each) for name, each in schema.get("properties", {}).items()}
    others = check_by(schema["additionalProperties"]) if "additionalProperties" in schema else None

    def check(document: object) -> bool:
        if type(document) is not dict or not required <= document.keys():
            return False
        for name, value in document.items():
            known = properties.get(name, others)
            if known is not None and not known(value):
                return False
        return True

    return check


def faults(document: object, schema: Record, where: str = "") -> Iterator[str]:
    """What is wrong with a document by a schema that `run_schema` could have made, each as a sentence's part."""
    if "anyOf" in schema:
        told = [list(faults(document, choice, where)) for choice in schema["anyOf"]]
        if all(told):
            yield from max(told, key=lambda each: _depth(each[0]))[:1]
        return
    name = where or "the line"
    if "const" in schema and (document != schema["const"] or isinstance(document, bool)):
        yield f"{name} is not {schema['const']!r}"
    elif "enum" in schema and not any(
        document == choice and type(document) is type(choice) for choice in schema["enum"]
    ):
        yield f"{name} is none of {', '.join(map(str, schema['enum']))}"
    elif "type" in schema and not _has_type(document, schema["type"]):
        yield f"{name} is no {schema['type']}"
    elif "pattern" in schema and isinstance(document, str) and not re.search(schema["pattern"], document):
        yield f"{name} is no KSUID"
    elif "minimum" in schema and not schema["minimum"] <= document <= schema["maximum"]:
        yield f"{name} is too far from 0"
    elif isinstance(document, dict):
        yield from _faults_of_object(document, schema, where)
    elif isinstance(document, list) and "items" in schema:
        for number, each in enumerate(document):
            yield from faults(each, schema["items"], f"{where}[{number}]")


def _faults_of_object(document: dict[str, object], schema: Record, where: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in document:
            yield f"{_inside(where, name)} is missing"
    known = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for name, value in document.items():
        if name in known:
            yield from faults(value, known[name], _inside(where, name))
        elif others is not None:
            yield from faults(value, others, _inside(where, name))


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _depth(fault: str) -> int:
    path = fault.partition(" ")[0]
    return path.count(".") + path.count("[")


def _has_type(document: object, name: str) -> bool:
    if isinstance(document, bool):
        return name == "boolean"
    if name == "integer" and isinstance(document, float):
        return document.is_integer()
    return isinstance(document, _TYPES[name])


def _schema_of(noun: Any) -> Record:
    """Of a noun as it is stored: the names of its fields, times without their unit."""
    hints = get_type_hints(noun)
    properties: Record = {}
    required = []
    for each in fields(noun):
        name = each.name.removesuffix("_ns")
        schema = _of_type(hints[each.name])
        if (noun, name) in _SPECIAL:
            name, schema = _SPECIAL[noun, name]
        properties[name] = schema
        if _is_needed(each):
            required.append(name)
    return {"type": "object", "required": required, "properties": properties}


def _is_needed(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _of_type(hint: Any) -> Record:
    if hint in _KSUIDS:
        return _KSUID
    hint = getattr(hint, "__supertype__", hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if is_dataclass(hint):
        return _schema_of(hint)
    arguments = get_args(hint)
    origin = get_origin(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _of_type(arguments[0])}
    if origin is list:
        return {"type": "array"}
    if origin is dict:
        return (
            {"type": "object"}
            if arguments[1] is Any
            else {"type": "object", "additionalProperties": _of_type(arguments[1])}
        )
    if origin in (UnionType, Union):
        return {"anyOf": [_of_type(each) for each in arguments]}
    raise TypeError(f"{hint} has no schema: give it one here")
