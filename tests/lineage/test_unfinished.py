"""What is read of the journal to find runs that have not ended: little, and nothing is missed."""

import random
from pathlib import Path

import pytest

from datamon.lineage import unfinished
from datamon.lineage.records import RUN_KINDS, RUN_MOVES, Param, Status, combine, run_of
from datamon.lineage.stored import is_opening, run_closed_by, tells_only_of
from datamon.lineage.unfinished import unfinished_runs
from datamon.query.testing.events import Told
from datamon.store import layout
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.codec import Record, decode, encode, stamped
from datamon.store.ids import RunId
from datamon.store.opening import Store, store_on

ADA = Author("Ada", "ada@example.org")
INTENT = {"repo": None, "number": 3}


def store_in(place: Path) -> Store:
    backend = LocalBackend(place / "store")
    return store_on(backend, backend, ADA, state_dir=place / "state")


def history(draw: random.Random) -> list[list[Record]]:
    """The records of some runs, each run's in one list: with late ones, replays, and texts that look like records."""
    odd = Param("text", f'","kind":"run-closed","run":"{Told(1).run}","time":1}}"id":"{Told(2).run}"')
    several = []
    endings: tuple[Status, ...] = ("succeeded", "succeeded", "failed", "running", "abandoned")
    for number in range(1, 40):
        status = draw.choice(endings)
        events = Told(number, status=status, params=(odd,)).events()
        if draw.random() < 0.3:
            moves = {"event": Told(number + 1000).events()[0]["event"], "time": 1, "run": Told(number).run, "moves": []}
            events.append(stamped(RUN_MOVES, moves))
        several.append(events)
    return several


@pytest.mark.parametrize("seed", range(8))
def test_what_is_open_is_found_in_whatever_parts_the_journal_is_read(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    store = store_in(tmp_path)
    told = history(draw)
    marked = {RunId(Told(number).run) for number in range(1, 40) if draw.random() < 0.2}
    for run in marked:
        store.metadata.put(layout.open_run(run), b"")
    monkeypatch.setattr(unfinished, "_BATCH", draw.choice((1, 3, 10, 1000)))
    waiting = [list(events) for events in told]
    while any(waiting):
        events = draw.choice([each for each in waiting if each])
        store.journal.append_many([events.pop(0), stamped("intent", dict(INTENT))])
        if draw.random() < 0.1:
            unfinished_runs(store)
    found = unfinished_runs(store)
    true = {run_of(events[0]): combine(events) for events in told}
    assert found == {
        run: whole for run, whole in true.items() if whole and (run in marked or whole.status == "running")
    }


def test_runs_that_have_ended_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    for number in range(1, 30):
        store.journal.append_many([*Told(number).events(), stamped("intent", dict(INTENT))])
    store.journal.append_many(Told(30, status="running").events())
    decoded: list[bytes] = []

    def watched(body: bytes, where: str) -> Record:
        decoded.append(body)
        return decode(body, where)

    monkeypatch.setattr(unfinished, "decode", watched)
    assert list(unfinished_runs(store)) == [Told(30).run]
    assert len(decoded) == 1


def test_what_is_spelled_in_another_way_is_decoded() -> None:
    opened, closed = Told(1).events()
    run = Told(1).run.encode()
    assert is_opening(encode(opened))
    assert run_closed_by(encode(closed)) == run
    assert tells_only_of(encode(opened), {run})
    assert tells_only_of(encode(closed), {run})
    for event in (opened, closed):
        assert not tells_only_of(encode(event), set())
        assert not tells_only_of(encode(event).replace(b'":', b'": '), {run})
        assert not tells_only_of(encode({**event, "more": 1}).replace(b'"kind"', b'"Kind"'), {run})
    later = encode(stamped("intent", {**INTENT, "event": opened["event"], "time": 1}))
    assert tells_only_of(later, set())
    for kind in RUN_KINDS:
        assert not tells_only_of(later.replace(b"intent", kind.encode()), {run})
    nested = {**opened, "run": {**opened["run"], "foreign": {"id": Told(2).run}}}
    assert not tells_only_of(encode(nested), {Told(2).run.encode()})
