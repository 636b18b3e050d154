"""A run as one document, and as the journal records that say the same (docs/run-records.md)."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from blake3 import blake3

from datamon.errors import Invalid
from datamon.lineage.bulk.schema import KIND, Check, check_by, faults, run_schema
from datamon.lineage.kinds import RUN_REPLAYED
from datamon.lineage.records import RUN_ABANDONED, RUN_CLOSED, RUN_OPENED, Run, RunClosed, RunOpened
from datamon.lineage.replays import Replay
from datamon.store.codec import FORMAT, Record, encode, stamped
from datamon.store.ids import RunId, new_ksuid

IMPORTED = "imported"
"""The `how` of a run that was not recorded here."""


def document_of(run: Run, environment: Record | None) -> Record:
    """Everything that is known of the run, with the record of its environment where it is there."""
    document: Record = {
        "run": run.opened.to_record(),
        "close": run.closed.to_record() if run.closed else None,
        "abandoned": run.abandoned_ns,
        "environment": environment,
    }
    if run.replays:
        document["replays"] = [{"event": each.event, **each.to_record()} for each in run.replays]
    return stamped(KIND, document)


def read_document(line: bytes) -> Record:
    """The document in a line. Raises Invalid (`bad-run-record`), which says what is wrong."""
    try:
        document = json.loads(line, parse_constant=_no_constant, parse_float=_finite)
        if b"\\ud" in line.lower():
            encode(document)  # half of a pair of surrogates is no text
    except (ValueError, RecursionError) as error:
        raise bad_document(f"it is no JSON ({error})") from error
    if isinstance(document, dict) and isinstance(document.get("format"), int) and document["format"] > FORMAT:
        raise bad_document(f"it was written in format {document['format']} by a newer datamon")
    if not _fits(document):
        raise bad_document(next(faults(document, _schema()), "it is no run"))
    checked: Record = document
    _check_environment(checked)
    return checked


def run_in(document: Record) -> Run:
    """The run that a document tells of. Raises Invalid (`bad-run-record`)."""
    try:
        return Run(
            opened=RunOpened.from_record(document["run"]),
            closed=RunClosed.from_record(document["close"]) if document["close"] else None,
            abandoned_ns=document["abandoned"],
            replays=tuple(Replay.from_event({"event": e["event"], "replay": e}) for e in document.get("replays", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad_document(f"it cannot be understood ({error!r})") from error


def events_of(document: Record, digest: bytes) -> list[Record]:
    """The journal records that say what the document says, of a run that was not recorded here. They are the same whenever they
    are made, so that a document taken in twice at once counts once; `digest` is the run's."""
    opened = {**document["run"], "how": IMPORTED}
    run = RunId(opened["id"])
    events = [_event(RUN_OPENED, run, opened["started"], digest, {"run": opened})]
    if document["close"] is not None:
        events.append(
            _event(RUN_CLOSED, run, document["close"]["ended"], digest, {"run": run, "close": document["close"]})
        )
    if document["abandoned"] is not None:
        events.append(_event(RUN_ABANDONED, run, document["abandoned"], digest, {"run": run}))
    return [*events, *_replays(document, run)]


def _replays(document: Record, run: RunId) -> Iterator[Record]:
    for told in document.get("replays", ()):
        replay = Replay.from_event({"event": told["event"], "replay": told})
        yield {
            "kind": RUN_REPLAYED,
            "event": replay.event,
            "time": replay.ended_ns,
            "run": run,
            "replay": replay.to_record(),
        }


def environment_in(document: Record) -> tuple[str, bytes] | None:
    """The hash and the bytes of the environment that a document holds."""
    environment = document["environment"]
    return None if environment is None else (document["run"]["environment"], encode(environment))


def digest_of(run: Run) -> bytes:
    """Equal for runs of which the same is told, wherever they were recorded. Replays do not count: they may come later."""
    told = document_of(replace(run, opened=replace(run.opened, how=IMPORTED), replays=()), None)
    return blake3(encode(told)).digest(16)


def bad_document(fault: str) -> Invalid:
    """The error for a line that holds no run."""
    return Invalid("bad-run-record", f"{fault}; see docs/run-records.md", fault=fault)


@cache
def _schema() -> Record:
    return run_schema()


@cache
def _check() -> Check:
    return check_by(_schema())


def _fits(document: object) -> bool:
    return _check()(document)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _check_environment(document: Record) -> None:
    held = environment_in(document)
    if held is not None and blake3(held[1]).hexdigest() != held[0]:
        raise bad_document("environment is not the one that run.environment names")


def _event(kind: str, run: RunId, time_ns: int, digest: bytes, fields: Record) -> Record:
    entropy = blake3(f"{kind} {run} {digest.hex()}".encode()).digest(16)
    return {"kind": kind, "event": new_ksuid(max(0, time_ns), entropy), "time": time_ns, **fields}
