"""Runs as in-toto statements with a SLSA provenance predicate (in-toto.io/Statement/v1, slsa.dev/provenance/v1): the outputs are
the subjects, the inputs the materials, each with its content id; and what a statement says otherwise than the store does.

A statement is made from what the journal holds of a run, word for word, and of nothing else.
"""

from collections.abc import Iterator
from typing import Any

from blake3 import blake3

from datamon.lineage.interchange.producer import PRODUCER, VERSION
from datamon.store.clock import timestamp
from datamon.store.codec import Record, encode

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUILD_TYPE = "https://pypi.org/project/datamon/run/v1"
CONTENT = "datamonContent1"
"""What the content id of a bundle is called among digests: it covers paths, kinds, execute bits, bytes and link targets."""
OPENING, CLOSING = "run-opened", "run-closed"


def statement(store: str, opening: Record, closing: Record) -> Record:
    """What is said of a run that has ended: a run that wrote nothing has its own record as its subject."""
    outputs = [_resource(store, each) for each in closing["outputs"]]
    records = [_digest(OPENING, opening), _digest(CLOSING, closing)]
    return {
        "_type": STATEMENT,
        "subject": outputs or [{"name": f"run/{opening['id']}", "digest": records[1]["digest"]}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "pipeline": opening["pipeline"],
                    "step": opening["step"],
                    "argv": opening["argv"],
                    "params": {each["name"]: each["value"] for each in opening["params"]},
                },
                "internalParameters": {"code": opening["code"], "environment": opening["environment"]},
                "resolvedDependencies": [_resource(store, each) for each in closing["inputs"]] + _source(opening),
            },
            "runDetails": {
                "builder": {"id": PRODUCER, "version": {"datamon": VERSION}},
                "metadata": {
                    "invocationId": f"datamon://{store}/run/{opening['id']}",
                    "startedOn": timestamp(opening["started"]),
                    "finishedOn": timestamp(closing["ended"]),
                },
                "byproducts": records,
            },
        },
    }


def disagreements(said: Any, store: str, opening: Record, closing: Record) -> Iterator[str]:
    """Where a statement says otherwise than the journal does of the run; nothing when it agrees. It may have been made by another
    version of datamon, which said more or less."""
    if not isinstance(said, dict) or (said.get("_type"), said.get("predicateType")) != (STATEMENT, PREDICATE):
        yield "it is no statement of provenance"
        return
    now = statement(store, opening, closing)
    try:
        definition, details = said["predicate"]["buildDefinition"], said["predicate"]["runDetails"]
        if details["metadata"]["invocationId"] != f"datamon://{store}/run/{opening['id']}":
            yield f"it is of another run, {details['metadata']['invocationId']}"
        yield from _differing("output", said["subject"], now["subject"])
        materials = now["predicate"]["buildDefinition"]["resolvedDependencies"]
        yield from _differing("input", definition["resolvedDependencies"], materials)
        yield from _differing("record", details["byproducts"], now["predicate"]["runDetails"]["byproducts"])
    except (KeyError, TypeError, AttributeError) as error:
        yield f"it lacks what a statement of datamon has ({error!r})"


def _differing(what: str, said: list[Record], now: list[Record]) -> Iterator[str]:
    then = {each["name"]: each["digest"] for each in said}
    here = {each["name"]: each["digest"] for each in now}
    for name in sorted(then.keys() | here.keys()):
        if name not in here:
            yield f"the {what} {name} is signed and not recorded"
        elif name not in then:
            yield f"the {what} {name} is recorded and not signed"
        elif then[name] != here[name]:
            yield f"the {what} {name} is signed with {_shown(then[name])} and recorded with {_shown(here[name])}"


def _shown(digest: Record) -> str:
    return ", ".join(f"{kind} {value[:12]}…" for kind, value in sorted(digest.items()))


def _resource(store: str, each: Record) -> Record:
    path = f":{each['path']}" if each.get("path") else ""
    name = f"{each['role']}={each['repo_name']}@{each['bundle']}{path}"
    uri = f"datamon://{store}/bundle/{each['repo']}/{each['bundle']}"
    return {"name": name, "uri": uri, "digest": {CONTENT: each["content"]}}


def _source(opening: Record) -> list[Record]:
    code = opening["code"]
    if not code["commit"]:
        return []
    return [
        {"name": "code", "uri": f"git+{code['remote'] or code['host_path']}", "digest": {"gitCommit": code["commit"]}}
    ]


def _digest(name: str, record: Record) -> Record:
    return {"name": name, "digest": {"blake3": blake3(encode(record)).hexdigest()}}
