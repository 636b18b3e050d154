"""What is wrong with an event by OpenLineage's own definitions: the classes that its client has, generated from its schemas."""

import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import attr
from openlineage.client import generated
from openlineage.client.generated import base

_HIDDEN = {"producer": "_producer", "schemaURL": "_schemaURL", "deleted": "_deleted"}


def faults(event: Mapping[str, Any]) -> list[str]:
    """Everything that is missing, of another type, unknown or refused by the definitions; nothing where the event is right."""
    return list(_faults_of(base.RunEvent, event, "event"))


def _faults_of(kind: Any, record: Any, at: str) -> Iterator[str]:
    if not isinstance(record, Mapping):
        yield f"{at} is no object"
        return
    hints = _hints(kind)
    fields = {each.name: each for each in attr.fields(kind)}
    is_facet = issubclass(kind, base.BaseFacet)
    needed = {"_producer", "_schemaURL"} if is_facet else {"producer", "schemaURL"} if "producer" in fields else set()
    for name, each in fields.items():
        if name in record:
            yield from _faults_in(hints[name], record[name], f"{at}.{name}")
            yield from _refusal(each, record[name], f"{at}.{name}")
        elif name in needed or each.default is attr.NOTHING:
            yield f"{at}.{name} is missing"
    yield from (f"{at}.{name} is unknown" for name in record if name not in fields)


def _faults_in(hint: Any, value: Any, at: str) -> Iterator[str]:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is not None:
            [hint] = [part for part in parts if part is not type(None)]
            yield from _faults_in(hint, value, at)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{at} is no list"
            return
        for number, each in enumerate(value):
            yield from _faults_in(parts[0], each, f"{at}[{number}]")
    elif origin is dict:
        for name, each in value.items():
            yield from _faults_of_facet(parts[1], name, each, f"{at}.{name}")
    elif attr.has(hint):
        yield from _faults_of(hint, value, at)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        if value not in {each.value for each in hint}:
            yield f"{at} is none of {[each.value for each in hint]}"
    elif isinstance(hint, type) and not isinstance(value, hint):
        yield f"{at} is no {hint.__name__}"


def _faults_of_facet(above: Any, name: str, facet: Any, at: str) -> Iterator[str]:
    """A facet is judged by the definition that its schema's URL names; one of another's own by what all facets have."""
    schema = str(facet.get("_schemaURL")) if isinstance(facet, Mapping) else ""
    if schema.startswith("https://openlineage.io/"):
        kind = _facets().get(schema.rpartition("/")[2])
        if kind is None:
            yield f"{at} has a schema that is not there: {schema}"
        elif not issubclass(kind, above):
            yield f"{at} is no {above.__name__}"
        else:
            yield from _faults_of(kind, facet, at)
    elif not isinstance(facet, Mapping) or not {"_producer", "_schemaURL"} <= facet.keys() or "_" not in name:
        yield f"{at} is no facet"


def _refusal(field: Any, value: Any, at: str) -> Iterator[str]:
    if field.validator is None or value is None:
        return
    try:
        field.validator(None, field, value)
    except (ValueError, TypeError, AttributeError) as error:
        yield f"{at}: {error}"


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@cache
def _facets() -> dict[str, Any]:
    found = {}
    for module in iter_modules(generated.__path__):
        for name, each in vars(import_module(f"{generated.__name__}.{module.name}")).items():
            if isinstance(each, type) and issubclass(each, base.BaseFacet):
                found[name] = each
    return found
