"""What is wrong with an event by OpenLineage's own JSON schemas: that of events, and for each facet the one that it names."""

import datetime
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

_FOLDER = Path(__file__).parent / "openlineage"
_EVENTS = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_THEIRS = "https://openlineage.io/"


def _is_time(value: object) -> bool:
    """Without this, jsonschema leaves times alone: it checks them only with a package of its own for it."""
    return not isinstance(value, str) or datetime.datetime.fromisoformat(value).tzinfo is not None


_formats = FormatChecker()
_formats.checks("date-time", raises=ValueError)(_is_time)


def faults(event: Mapping[str, Any]) -> list[str]:
    """Everything that the schemas refuse; nothing where the event is right. A facet of OpenLineage's own whose schema is not at
    hand, or is another version than it names, is refused too."""
    found = [
        f"{error.json_path}: {error.message}" for error in _validator(f"{_EVENTS}#/$defs/RunEvent").iter_errors(event)
    ]
    for name, facet in _facets(event):
        schema = str(facet.get("_schemaURL", ""))
        if schema.startswith(_THEIRS):
            found += _faults_of(name, facet, schema)
    return found


def _faults_of(name: str, facet: Mapping[str, Any], schema: str) -> list[str]:
    if schema.partition("#")[0] not in _schemas():
        return [f"{name}: there is no schema {schema}"]
    return [f"{name}: {error.json_path}: {error.message}" for error in _validator(schema).iter_errors(facet)]


def _facets(event: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    holders = [event.get("run"), event.get("job"), *event.get("inputs", ()), *event.get("outputs", ())]
    for holder in holders:
        if isinstance(holder, Mapping):
            for kind in ("facets", "inputFacets", "outputFacets"):
                yield from holder.get(kind, {}).items()


@cache
def _schemas() -> dict[str, Any]:
    """The schemas by their ids."""
    read = [json.loads(path.read_text("utf-8")) for path in sorted(_FOLDER.glob("*.json"))]
    return {schema["$id"]: schema for schema in read}


@cache
def _validator(reference: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resources(
        (identity, Resource.from_contents(schema)) for identity, schema in _schemas().items()
    )
    return Draft202012Validator({"$ref": reference}, registry=registry, format_checker=_formats)
