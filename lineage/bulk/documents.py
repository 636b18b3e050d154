"""A run as one document, and as the journal records that say the same (docs/run-records.md)."""

import json
from dataclasses import replace
from functools import cache

from blake3 import blake3

from datamon.errors import Invalid
from datamon.lineage.bulk.schema import KIND, faults, run_schema
from datamon.lineage.records import RUN_ABANDONED, RUN_CLOSED, RUN_OPENED, Run, RunClosed, RunOpened
from datamon.store.codec import FORMAT, Record, encode, stamped
from datamon.store.ids import RunId, new_ksuid

IMPORTED = "imported"
"""The `how` of a run that was not recorded here."""


def document_of(run: Run, environment: Record | None) -> Record:
    """Everything that is known of the run, with the record of its environment where it is there."""
    return stamped(
        KIND,
        {
            "run": run.opened.to_record(),
            "close": run.closed.to_record() if run.closed else None,
            "abandoned": run.abandoned_ns,
            "environment": environment,
        },
    )


def read_document(line: bytes) -> Record:
    """The document in a line. Raises Invalid (`bad-run-record`), which says what is wrong."""
    try:
        document = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise bad_document(f"it is no JSON ({error})") from error
    if isinstance(document, dict) and isinstance(document.get("format"), int) and document["format"] > FORMAT:
        raise bad_document(f"it was written in format {document['format']} by a newer datamon")
    wrong = next(faults(document, _schema()), None)
    if wrong is not None:
        raise bad_document(wrong)
    checked: Record = document
    _check_environment(checked)
    _check_nouns(checked)
    return checked


def run_in(document: Record) -> Run:
    """The run that a document tells of."""
    return Run(
        opened=RunOpened.from_record(document["run"]),
        closed=RunClosed.from_record(document["close"]) if document["close"] else None,
        abandoned_ns=document["abandoned"],
    )


def events_of(document: Record) -> list[Record]:
    """The journal records that say what the document says, of a run that was not recorded here. They are the same whenever they
    are made, so that a document taken in twice at once counts once."""
    opened = {**document["run"], "how": IMPORTED}
    run = RunId(opened["id"])
    events = [_event(RUN_OPENED, run, opened["started"], {"run": opened})]
    if document["close"] is not None:
        events.append(_event(RUN_CLOSED, run, document["close"]["ended"], {"run": run, "close": document["close"]}))
    if document["abandoned"] is not None:
        events.append(_event(RUN_ABANDONED, run, document["abandoned"], {"run": run}))
    return events


def environment_in(document: Record) -> tuple[str, bytes] | None:
    """The hash and the bytes of the environment that a document holds."""
    environment = document["environment"]
    return None if environment is None else (document["run"]["environment"], encode(environment))


def digest_of(run: Run) -> bytes:
    """Equal for runs of which the same is told, wherever they were recorded."""
    told = document_of(replace(run, opened=replace(run.opened, how=IMPORTED)), None)
    return blake3(encode(told)).digest(16)


def bad_document(fault: str) -> Invalid:
    """The error for a line that holds no run."""
    return Invalid("bad-run-record", f"{fault}; see docs/run-records.md", fault=fault)


@cache
def _schema() -> Record:
    return run_schema()


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _check_environment(document: Record) -> None:
    held = environment_in(document)
    if held is not None and blake3(held[1]).hexdigest() != held[0]:
        raise bad_document("environment is not the one that run.environment names")


def _check_nouns(document: Record) -> None:
    """What can be read can be stored and read again."""
    try:
        encode(document)
        digest_of(run_in(document))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad_document(f"it cannot be understood ({error!r})") from error


def _event(kind: str, run: RunId, time_ns: int, fields: Record) -> Record:
    entropy = blake3(encode({"kind": kind, "of": run, "time": time_ns, **fields})).digest(16)
    return {"kind": kind, "event": new_ksuid(max(0, time_ns), entropy), "time": time_ns, **fields}
