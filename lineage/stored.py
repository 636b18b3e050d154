"""What can be told of a run's record as it is stored, in JSON of one spelling (`codec.encode`), without decoding it."""

import re
from collections.abc import Set as AbstractSet

from datamon.lineage.kinds import RUN_KINDS

_KIND = re.compile(rb'\{"event":"\w{27}","format":1,"kind":"([a-z-]+)"')
_CLOSED = re.compile(rb'\},"event":"\w{27}","format":1,"kind":"run-closed","run":"(\w{27})","time":\d{1,19}\}')
_CLOSED_BYTES = 200
"""More than stands behind the `close` of a record."""
_ID = re.compile(rb'"id":"(\w{27})"')
_OPENED = b'","format":1,"kind":"run-opened","run":{'
_OPENED_AT = len(b'{"event":"') + 27


def is_opening(stored: bytes) -> bool:
    """Whether this is a `run-opened` as most are spelled."""
    return stored.startswith(_OPENED, _OPENED_AT)


def run_closed_by(stored: bytes) -> bytes | None:
    """The run that this `run-closed` closes; None where it is none, or is spelled in another way than most."""
    if not stored.startswith(b'{"close":{'):
        return None
    end = _CLOSED.search(stored, max(0, len(stored) - _CLOSED_BYTES))
    return end[1] if end is not None and end.end() == len(stored) else None


def tells_only_of(stored: bytes, runs: AbstractSet[bytes]) -> bool:
    """Whether this record surely tells of no run, or of one of these alone."""
    if is_opening(stored):
        named = set(_ID.findall(stored))  # its own is among them: quotes within texts are escaped
        return bool(named) and named <= runs
    kind = _KIND.match(stored)
    if kind is not None:
        return kind[1].decode() not in RUN_KINDS
    return run_closed_by(stored) in runs
