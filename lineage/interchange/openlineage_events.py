"""OpenLineage events as others wrote them: read a line at a time, judged, and gathered into what they say of one run."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from datamon.store.codec import Record

ENDS = {"COMPLETE": "succeeded", "FAIL": "failed", "ABORT": "failed"}
KINDS = frozenset({"START", "RUNNING", "OTHER", *ENDS})
_DEEPEST = 100
_YEARS = range(1970, 2200)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run. `body` is all of it, as JSON."""

    run: UUID
    time_ns: int
    kind: str
    body: str


def read_event(line: bytes) -> Event | None:
    """The event in a line; None when it speaks of no run, as events of jobs and datasets do. Raises ValueError or TypeError,
    which says what is wrong, when it is no event.

    >>> read_event(b'{"eventTime": "2026-01-01T00:00:00Z", "dataset": {}}') is None
    True
    """
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({error})") from error
    if not isinstance(body, dict):
        raise TypeError("it is no JSON object")
    if "run" not in body and ("dataset" in body or "job" in body):
        return None
    time_ns = _time_ns(_text(body, "eventTime"))
    run = UUID(_text(_part(body, "run"), "runId"))
    if _is_deep(body):
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
    job = _part(body, "job")
    _text(job, "namespace"), _text(job, "name")
    kind = str(body.get("eventType") or "OTHER").upper()
    if kind not in KINDS:
        raise ValueError(f"its eventType is {kind}")
    for side in ("inputs", "outputs"):
        for dataset in body.get(side) or ():
            if not isinstance(dataset, dict):
                raise TypeError(f"one of its {side} is no object")
            _text(dataset, "namespace"), _text(dataset, "name")
            _facets(dataset)
    _facets(job), _facets(body["run"])
    return Event(run, time_ns, kind, json.dumps(body, sort_keys=True))


def _is_deep(body: Record) -> bool:
    level: list[Any] = [body]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


@dataclass
class Told:
    """What the events of one run say together: of what is said twice, the latest counts. Datasets are by namespace and name."""

    run: UUID
    started_ns: int
    ended_ns: int
    status: str
    was_aborted: bool = False
    namespace: str = ""
    name: str = ""
    producer: str = ""
    run_facets: dict[str, Any] = field(default_factory=dict)
    job_facets: dict[str, Any] = field(default_factory=dict)
    inputs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    outputs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    @property
    def parent(self) -> UUID | None:
        """The run within which it ran."""
        try:
            return UUID(self.run_facets["parent"]["run"]["runId"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    @property
    def error(self) -> str | None:
        """What its message of an error says; that it was aborted."""
        facet = self.run_facets.get("errorMessage")
        message = facet.get("message") if isinstance(facet, Mapping) else None
        return str(message) if message else "aborted" if self.was_aborted else None

    @property
    def params(self) -> Iterator[tuple[str, str]]:
        """The parameters that it says it was given."""
        facet = self.run_facets.get("executionParameters")
        rows = facet.get("parameters") if isinstance(facet, Mapping) else None
        for each in rows if isinstance(rows, list) else ():
            if isinstance(each, Mapping) and each.get("key"):
                yield str(each["key"]), str(each.get("value"))


def gather(events: Iterable[Event]) -> Told | None:
    """What these events of one run, in the order of their times, say together; None when none of them is its end."""
    ordered = list(events)
    last = next((event for event in reversed(ordered) if event.kind in ENDS), None)
    if last is None:
        return None
    started = next((event.time_ns for event in ordered if event.kind == "START"), ordered[0].time_ns)
    told = Told(last.run, min(started, last.time_ns), last.time_ns, ENDS[last.kind], last.kind == "ABORT")
    for event in ordered:
        _add(told, json.loads(event.body))
    return told


def _add(told: Told, body: Record) -> None:
    told.namespace, told.name = body["job"]["namespace"], body["job"]["name"]
    told.producer = str(body.get("producer") or told.producer)
    told.run_facets |= _facets(body["run"])
    told.job_facets |= _facets(body["job"])
    for side, known in (("inputs", told.inputs), ("outputs", told.outputs)):
        for dataset in body.get(side) or ():
            known.setdefault((dataset["namespace"], dataset["name"]), {}).update(_facets(dataset))


def _facets(holder: Mapping[str, Any]) -> dict[str, Any]:
    facets = holder.get("facets") or {}
    if not isinstance(facets, dict):
        raise TypeError("its facets are no object")
    return facets


def _part(body: Record, name: str) -> Record:
    part = body.get(name)
    if not isinstance(part, dict):
        raise TypeError(f"it has no {name}")
    return part


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"it has no {name}")
    value.encode()  # a lone surrogate, which JSON can say and UTF-8 cannot, is a ValueError too
    return value


def _time_ns(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.year not in _YEARS:
        raise ValueError(f"its eventTime is in the year {moment.year}")
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000
