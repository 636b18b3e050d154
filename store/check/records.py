"""The small records that stand alone: marks of open runs, results of computations, and environments."""

import re
from collections.abc import Iterator

from blake3 import blake3

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.check.findings import Finding, damage, told_by
from datamon.store.codec import decode_sealed

_ENVIRONMENT = re.compile(r"environments/[0-9a-f]{2}/([0-9a-f]{64})")


def examine_records(metadata: Backend) -> Iterator[Finding]:
    """Marks of open runs and results are sealed and name the run that they are named after; environments have the hash that they
    are named by. Whether they are the ones that runs need is for the lineage layer to say."""
    for prefix in (layout.OPEN_RUNS, layout.RESULTS):
        for stored in metadata.list(prefix):
            yield from _of_run(metadata, stored.key)
    for stored in metadata.list(layout.ENVIRONMENTS):
        match = _ENVIRONMENT.fullmatch(stored.key)
        if match and not _has_hash(metadata, stored.key, match[1]):
            message = (
                f"{metadata.url}/{stored.key} does not have the hash it is named by; run `datamon repair --from COPY`"
            )
            yield damage("bad-bytes", message, stored.key)


def _has_hash(metadata: Backend, key: str, digest: str) -> bool:
    try:
        return blake3(metadata.get(key)).hexdigest() == digest
    except Corrupt:
        return False


def _of_run(metadata: Backend, key: str) -> Iterator[Finding]:
    where = f"{metadata.url}/{key}"
    try:
        record = decode_sealed(metadata.get(key), where)
    except NotFound:
        return  # it was dropped since the listing
    except Corrupt as error:
        yield told_by(error, key)
        return
    if record.get("run") != key.rpartition("/")[2]:
        yield damage("bad-record", f"{where} is of another run; run `datamon repair --from` with a copy", key)
