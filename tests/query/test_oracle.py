"""Answers on random histories, really recorded, against a small program that shares no code with the engine: networkx finds the
ways, and staleness is spelled out as in docs/query.md, by trying again until nothing changes."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import networkx as nx
import pytest
from blake3 import blake3

from datamon.query.engine import ask_on
from datamon.query.index import open_index
from datamon.query.testing.late_journal import LateJournal
from datamon.query.testing.playing import play
from datamon.query.testing.random_histories import Event, Label, Run, Unlabel, Upload, random_history
from datamon.query.testing.worlds import Did, World
from datamon.store.bundle import Bundle
from datamon.store.opening import memory_store
from datamon.store.testing.clocks import SteppingClock

Row = tuple[object, ...]
Node = tuple[str, str]
Change = tuple[str, str, str | None, str | None]


@dataclass
class Known:
    """A bundle as the oracle remembers it."""

    id: str
    repo: str
    content: str
    files: Mapping[str, str]
    number: int

    def part(self, path: str) -> str | None:
        if not path:
            return self.content
        return blake3(self.files[path].encode()).hexdigest() if path in self.files else None


@dataclass
class Oracle:
    """What happened, told in its own words."""

    bundles: dict[str, Known] = field(default_factory=dict)
    refs: dict[tuple[str, str], str] = field(default_factory=dict)
    frozen: set[tuple[str, str]] = field(default_factory=set)
    runs: list[tuple[Run, Did]] = field(default_factory=list)

    def saw(self, bundle: Bundle, repo: str, files: Mapping[str, str]) -> None:
        self.bundles[bundle.id] = Known(bundle.id, repo, bundle.content, files, len(self.bundles))

    # ways

    def graph(self, *, failed: bool = False) -> "nx.DiGraph[Node]":
        graph: nx.DiGraph[Node] = nx.DiGraph()
        graph.add_nodes_from(("bundle", bundle) for bundle in self.bundles)
        for run, did in self.runs:
            if failed or not run.fails:
                graph.add_edges_from((("bundle", read.bundle), ("run", did.run)) for read in did.inputs)
                graph.add_edges_from((("run", did.run), ("bundle", wrote.bundle)) for wrote in did.outputs)
        return graph

    def closure(
        self, start: Node, direction: str, *, stop_repo: str | None = None, failed: bool = False
    ) -> dict[Node, int]:
        """Every node with its depth in runs."""
        graph = self.graph(failed=failed)
        graph = graph if direction == "DOWNSTREAM" else graph.reverse()
        if start not in graph:
            return {}
        for bundle in self.bundles.values():
            if bundle.repo == stop_repo and ("bundle", bundle.id) != start:
                graph.remove_edges_from(list(graph.out_edges(("bundle", bundle.id))))
        hops = nx.single_source_shortest_path_length(graph, start)
        return {node: (n + 1) // 2 for node, n in hops.items() if node != start}

    # staleness

    def successes(self) -> Iterator[tuple[Run, Did, str, str]]:
        """(what was asked, what was done, repo, bundle) of each output."""
        for run, did in self.runs:
            for wrote in did.outputs:
                yield run, did, wrote.repo_name, wrote.bundle

    def slot(self, run: Run, repo: str) -> list[tuple[Run, Did, str]]:
        """The slot's successful runs, the newest last. A role is its repo here."""
        found = [(r, d, b) for r, d, where, b in self.successes() if (r.step, where) == (run.step, repo)]
        return sorted(found, key=lambda each: self.bundles[each[2]].number)

    def own_causes(self, run: Run, did: Did, repo: str, bundle: str) -> Iterator[Change]:
        for read in did.inputs:
            if read.ref_kind in ("branch", "label"):
                now = self.refs.get((read.repo_name, read.ref or ""))
                content = self.bundles[now].part(read.path) if now else None
                if content != read.content:
                    path = f":{read.path}" if read.path else ""
                    yield "input", f"{read.repo_name}@{read.ref}{path}", read.content, content
        newest = self.slot(run, repo)[-1][0]
        if newest.fingerprint != run.fingerprint:
            yield "code", f"default/{run.step}", run.fingerprint, newest.fingerprint
        alike = [b for r, _, b in self.slot(run, repo) if r.param == run.param][-1]
        if self.bundles[alike].content != self.bundles[bundle].content:
            yield "superseded", f"{repo}@main", self.bundles[bundle].content, self.bundles[alike].content

    def passing(self, did: Did, *, frozen: bool) -> Iterator[tuple[str, str]]:
        """(reference, bundle it gives now) of each input that passes staleness on."""
        for read in did.inputs:
            key = (read.repo_name, read.ref or "")
            if read.ref_kind in ("branch", "label") and key in self.refs and (frozen or key not in self.frozen):
                yield f"{read.repo_name}@{read.ref}", self.refs[key]

    def judged(self, *, frozen: bool) -> tuple[set[str], dict[str, list[Change]]]:
        """The stale bundles that runs wrote, and each one's own causes."""
        outputs = list(self.successes())
        causes = {b: list(self.own_causes(r, d, where, b)) for r, d, where, b in outputs}
        given = {b: {now for _, now in self.passing(d, frozen=frozen)} for _, d, _, b in outputs}
        stale: set[str] = set()
        while True:
            bad = {b for b in causes if causes[b] or given[b] & stale}
            more = {b for b in causes if all(twin in bad for twin in causes if self.same_content(b, twin))}
            if more == stale:
                return stale, {b: causes[b] for b in stale}
            stale = more

    def same_content(self, one: str, other: str) -> bool:
        a, b = self.bundles[one], self.bundles[other]
        return (a.repo, a.content) == (b.repo, b.content)

    def last_status(self, run: Run, repo: str) -> str:
        """Of the last started run of the slot; one that failed before it wrote anything counts for its step."""
        counting = [
            r
            for r, d in self.runs
            if r.step == run.step and (not d.outputs or repo in {o.repo_name for o in d.outputs})
        ]
        return "failed" if counting[-1].fails else "succeeded"

    def stale_rows(self, subjects: Mapping[str, str] | Mapping[None, str], *, frozen: bool = False) -> set[Row]:
        """The rows of STALE for subjects by the reference that holds them."""
        stale, causes = self.judged(frozen=frozen)
        writer = {b: (r, d, where) for r, d, where, b in self.successes()}
        ways: nx.DiGraph[str] = nx.DiGraph()
        ways.add_nodes_from(stale)
        for b in stale:
            ways.add_edges_from((now, b) for _, now in self.passing(writer[b][1], frozen=frozen) if now in stale)
        far = {root: nx.single_source_shortest_path_length(ways, root) for root in stale if causes[root]}
        nearest = {b: min(lengths[b] for lengths in far.values() if b in lengths) for b in stale}
        rows: set[Row] = set()
        for ref, b in subjects.items():
            if b not in stale:
                continue
            run, did, repo = writer[b]
            status = self.last_status(run, repo)
            rows |= {(b, ref, *change, None, 0, status) for change in causes[b]}
            for via, now in self.passing(did, frozen=frozen):
                for root, lengths in far.items():
                    if now in stale and root != b and lengths.get(now) == nearest[now]:
                        for _, subject, old, new in causes[root]:
                            rows.add((b, ref, "upstream", subject, old, new, via, nearest[now] + 1, status))
        return rows


def perform(world: World, oracle: Oracle, event: Event) -> None:
    """Lets one event happen where it can, and tells the oracle."""
    done = play(world, event)
    if isinstance(done, Bundle):
        assert isinstance(event, Upload)
        oracle.saw(done, event.repo, event.files)
        oracle.refs[event.repo, "main"] = done.id
    elif isinstance(done, Did):
        assert isinstance(event, Run)
        oracle.runs.append((event, done))
        for wrote in done.outputs:
            files = event.writes[wrote.repo_name]
            known = Known(wrote.bundle, wrote.repo_name, wrote.content, files, len(oracle.bundles))
            oracle.bundles[wrote.bundle] = known
            oracle.refs[wrote.repo_name, "main"] = wrote.bundle
    elif done is not None:
        assert isinstance(event, Label | Unlabel)
        oracle.frozen.discard((event.repo, event.name))
        if isinstance(event, Unlabel):
            del oracle.refs[event.repo, event.name]
        else:
            oracle.refs[event.repo, event.name] = done
            oracle.frozen |= {(event.repo, event.name)} if event.frozen else set()


Ask = Callable[[str], list[Row]]
SEEDS = range(7)


def nodes(rows: list[Row]) -> dict[Node, int]:
    """Kind and id of each row of a closure, with its depth."""
    found = {(str(row[0]), str(row[1])): int(str(row[5])) for row in rows}
    assert len(found) == len(rows), "every node is one row"
    return found


def check_ways(oracle: Oracle, answer: Ask, bundle: Known) -> None:
    """Closures both ways and their options, WHAT PRODUCED and WHAT USED, of one bundle."""
    start, ref = ("bundle", bundle.id), f"'{bundle.repo}@{bundle.id}'"
    for direction in ("UPSTREAM", "DOWNSTREAM"):
        everything = oracle.closure(start, direction)
        rows = answer(f"{direction} OF {ref}")
        assert nodes(rows) == everything
        assert list(nodes(rows).values()) == sorted(everything.values())
        check_vias(oracle, rows, start, direction)
        assert nodes(answer(f"{direction} OF {ref} WITHIN 2")) == {n: d for n, d in everything.items() if d <= 2}
        assert nodes(answer(f"{direction} OF {ref} AT run")) == {n: d for n, d in everything.items() if n[0] == "run"}
        stopped = oracle.closure(start, direction, stop_repo="feat")
        assert nodes(answer(f"{direction} OF {ref} STOP AT (repo = 'feat')")) == stopped
        with_failed = oracle.closure(start, direction, failed=True)
        assert nodes(answer(f"{direction} OF {ref} INCLUDING failed")) == with_failed
    used = {node: 1 for node, depth in oracle.closure(start, "DOWNSTREAM").items() if node[0] == "run" and depth == 1}
    assert nodes(answer(f"WHAT USED {ref}")) == used
    writers = [(d.run, b) for _, d, _, b in oracle.successes() if oracle.same_content(b, bundle.id)]
    writers.sort(key=lambda each: oracle.bundles[each[1]].number)
    assert [(row[0], row[9]) for row in answer(f"WHAT PRODUCED {ref}")] == writers
    check_producers_of_a_file(oracle, answer, bundle)


def check_vias(oracle: Oracle, rows: list[Row], start: Node, direction: str) -> None:
    """Each row's `via_id` is one hop nearer on a shortest way."""
    graph = oracle.graph() if direction == "DOWNSTREAM" else oracle.graph().reverse()
    hops = nx.single_source_shortest_path_length(graph, start)
    for row in rows:
        node = (str(row[0]), str(row[1]))
        via = ("run" if node[0] == "bundle" else "bundle", str(row[7]))
        assert graph.has_edge(via, node)
        assert hops[via] == hops[node] - 1


def check_producers_of_a_file(oracle: Oracle, answer: Ask, bundle: Known) -> None:
    for path in bundle.files:
        wrote = [
            (d.run, b)
            for _, d, where, b in oracle.successes()
            if where == bundle.repo and oracle.bundles[b].part(path) == bundle.part(path)
        ]
        wrote.sort(key=lambda each: oracle.bundles[each[1]].number)
        assert [(row[0], row[9]) for row in answer(f"WHAT PRODUCED '{bundle.repo}@{bundle.id}:{path}'")] == wrote


def check_staleness(oracle: Oracle, answer: Ask) -> None:
    """STALE, WHAT IS STALE with its parts, and WHY."""
    held = {f"{repo}@{ref}": b for (repo, ref), b in oracle.refs.items()}
    unfrozen = {f"{r}@{n}": b for (r, n), b in oracle.refs.items() if (r, n) not in oracle.frozen}
    everything = oracle.stale_rows(unfrozen)
    rows = answer("WHAT IS STALE")
    assert set(rows) == everything
    assert len(rows) == len(everything)
    assert [row[7] for row in rows] == sorted(int(str(row[7])) for row in rows)
    assert set(answer("FROM STALE INCLUDING frozen")) == oracle.stale_rows(held, frozen=True)
    assert set(answer("WHAT IS STALE BECAUSE upstream")) == {row for row in everything if row[2] == "upstream"}
    assert set(answer("SELECT * FROM STALE WHERE cause = 'code'")) == {row for row in everything if row[2] == "code"}
    for repo in {repo for repo, _ in oracle.refs}:
        of_repo = {row for row in everything if str(row[1]).startswith(f"{repo}@")}
        assert set(answer(f"WHAT IS STALE IN '{repo}'")) == of_repo
    for ref, bundle in held.items():
        assert set(answer(f"WHY IS '{ref}' STALE")) == oracle.stale_rows({ref: bundle})
    for bundle in list(oracle.bundles)[-3:]:
        repo = oracle.bundles[bundle].repo
        assert set(answer(f"STALE OF '{repo}@{bundle}'")) == oracle.stale_rows({None: bundle})


@functools.cache
def happened(seed: int) -> tuple[World, Oracle]:
    """A history that was recorded, and the oracle that saw it. Of every second one the records came late, shuffled and by
    import."""
    store = memory_store(clock=SteppingClock())
    journal = LateJournal(store.journal, seed)
    world, oracle = World(replace(store, journal=journal) if seed % 2 else store), Oracle()
    for event in random_history(seed):
        perform(world, oracle, event)
    journal.arrive(store)
    world.store = store
    return world, oracle


@pytest.mark.parametrize("seed", SEEDS)
def test_every_answer_on_a_random_history_is_the_oracles(seed: int) -> None:
    check_history(seed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_every_answer_on_a_thousand_random_histories_is_the_oracles(part: int) -> None:
    for seed in range(10_000 + 50 * part, 10_050 + 50 * part):
        check_history(seed)
        happened.cache_clear()


def check_history(seed: int) -> None:
    """Every kind of answer over one history."""
    world, oracle = happened(seed)
    with open_index(world.store).connect() as connection:
        check_all(oracle, lambda text: list(ask_on(connection, world.store, text).rows))


def check_all(oracle: Oracle, answer: Ask) -> None:
    """Every kind of answer that there is."""
    check_staleness(oracle, answer)
    for bundle in list(oracle.bundles.values())[-3:]:
        check_ways(oracle, answer, bundle)
    for run, did in oracle.runs[-2:]:
        assert nodes(answer(f"UPSTREAM OF run '{did.run}'")) == oracle.closure(
            ("run", did.run), "UPSTREAM", failed=run.fails
        )


def test_the_random_histories_hold_every_cause_and_long_ways() -> None:
    oracles = [happened(seed)[1] for seed in SEEDS]
    held = [{f"{r}@{n}": b for (r, n), b in oracle.refs.items()} for oracle in oracles]
    rows = [row for oracle, refs in zip(oracles, held, strict=True) for row in oracle.stale_rows(refs)]
    assert {row[2] for row in rows} == {"input", "code", "superseded", "upstream"}
    assert max(int(str(row[7])) for row in rows) >= 2
    assert len({row[5] for row in rows}) >= 5, "many different values now"
    deepest = max(
        depth
        for oracle in oracles
        for b in oracle.bundles
        for depth in oracle.closure(("bundle", b), "UPSTREAM").values()
    )
    assert deepest >= 4
