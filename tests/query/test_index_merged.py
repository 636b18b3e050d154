"""Answers over a journal that many wrote at once, late, shuffled, with wrong clocks, and merged: those of an orderly history."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.lineage.records import Status
from datamon.query.index import open_index
from datamon.query.testing.events import Told
from datamon.query.testing.relations import content_of
from datamon.store.codec import Record
from datamon.store.ids import new_ksuid
from datamon.store.journal import ObjectJournal
from datamon.store.journal_merging import merge_records
from datamon.store.opening import memory_store
from datamon.store.testing.clocks import START_NS, SteppingClock

RELATIONS = ("main.runs", "main.params", "main.metrics", "main.inputs", "main.outputs")
DAY_NS = 24 * 3600 * 10**9
STATUSES: tuple[Status, ...] = ("succeeded", "failed", "abandoned", "running")
RUNS = [Told(number, status=status) for number, status in enumerate(STATUSES, 1)]
EVENTS: list[Record] = [event for told in RUNS for event in told.events()]
ORDERLY = memory_store()
for event in EVENTS:
    ORDERLY.journal.append(event)


@given(
    order=st.permutations(range(len(EVENTS))),
    writers=st.lists(st.integers(0, 2), min_size=len(EVENTS), max_size=len(EVENTS)),
    doings=st.lists(st.sampled_from(["", "ask", "merge", "both"]), min_size=len(EVENTS), max_size=len(EVENTS)),
    offsets=st.tuples(*[st.integers(-2 * DAY_NS, 2 * DAY_NS)] * 3),
)
@settings(max_examples=15, deadline=None)
def test_answers_do_not_depend_on_order_writers_clocks_and_merges(
    order: list[int], writers: list[int], doings: list[str], offsets: tuple[int, int, int]
) -> None:
    plain = memory_store()
    clocks = [SteppingClock(START_NS + offset, step_ns=-(10**9)) for offset in offsets]
    journals = [ObjectJournal(plain.metadata, new_ksuid(clock()), clock) for clock in clocks]
    index = open_index(replace(plain, journal=journals[0]))
    for at, who, doing in zip(order, writers, doings, strict=True):
        journals[who].append(EVENTS[at])
        if doing in ("merge", "both"):
            merge_records(plain.metadata, clocks[who], 1)
        if doing in ("ask", "both"):
            index.refresh()
    with index.connect() as connection, open_index(ORDERLY).connect() as orderly:
        assert content_of(connection, RELATIONS) == content_of(orderly, RELATIONS)
