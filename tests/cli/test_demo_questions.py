"""The questions on the demo's store, against a small oracle that reads the store's files and has networkx find the ways."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from datamon.cli.testing import Shell

Node = tuple[str, str]
Cause = tuple[str, str]


class Oracle:
    """What the journal and the logs say, taken from their bytes as docs/format.md describes them."""

    def __init__(self, store: Path) -> None:
        self.bundles: dict[str, dict[str, Any]] = {}
        self.refs: dict[str, str] = {}
        for repo in _entries(store / "log"):
            for entry in _entries(store / "repos" / repo["repo"] / "log"):
                self._take(repo["name"], entry)
        opened: dict[str, dict[str, Any]] = {}
        closed: dict[str, dict[str, Any]] = {}
        for line in filter(None, (store / "journal" / "log").read_text().splitlines()):
            record = json.loads(line.split(" ", 3)[3])
            if record["kind"] == "run-opened":
                opened[record["run"]["id"]] = record["run"]
            elif record["kind"] == "run-closed":
                closed[record["run"]] = record["close"]
        self.runs = [{**run, **closed[identity]} for identity, run in opened.items()]

    def _take(self, repo: str, entry: dict[str, Any]) -> None:
        self.refs |= {f"{repo}@{move['ref']}": move["new"] for move in entry["moves"]}
        if entry["kind"] == "commit":
            bundle: dict[str, Any] = entry["bundle"]
            bundle |= {"repo": repo, "session": entry["session"], "number": entry["number"]}
            self.bundles[bundle["id"]] = bundle

    def ways(self) -> "nx.DiGraph[Node]":
        graph: nx.DiGraph[Node] = nx.DiGraph()
        for run in self.runs:
            graph.add_edges_from((("bundle", each["bundle"]), ("run", run["id"])) for each in run["inputs"])
            graph.add_edges_from((("run", run["id"]), ("bundle", each["bundle"])) for each in run["outputs"])
        return graph

    def closure(self, reference: str, upstream: bool) -> set[tuple[str, str, int]]:
        graph = self.ways().reverse() if upstream else self.ways()
        hops = nx.single_source_shortest_path_length(graph, ("bundle", self.refs[reference]))
        return {(kind, identity, (count + 1) // 2) for (kind, identity), count in hops.items() if count}

    def writer(self, bundle: str) -> dict[str, Any] | None:
        return next((run for run in self.runs if bundle in {each["bundle"] for each in run["outputs"]}), None)

    def own_causes(self, bundle: str, changed_step: str | None, gone: frozenset[str]) -> set[Cause]:
        run = self.writer(bundle)
        found: set[Cause] = {("missing", bundle)} if bundle in gone else set()
        for each in run["inputs"] if run else []:
            reference = f"{each['repo_name']}@{each['ref']}"
            if self.bundles[self.refs[reference]]["content"] != each["content"]:
                found.add(("input", reference))
        if run and run["step"] == changed_step:
            found.add(("code", f"{run['pipeline']}/{run['step']}"))
        repo = self.bundles[bundle]["repo"]
        later = (
            max(each["number"] for each in self.bundles.values() if each["repo"] == repo and each["run"]) if run else 0
        )
        newest = next((b for b in self.bundles.values() if (b["repo"], b["number"]) == (repo, later)), None)
        if newest and newest["content"] != self.bundles[bundle]["content"]:
            found.add(("superseded", f"{repo}@main"))
        return found

    def stale(self, changed_step: str | None = None, gone: frozenset[str] = frozenset()) -> set[tuple[object, ...]]:
        """(ref, cause, subject, via, distance). Every step of the demo reads heads of `main`, so the way up is along refs."""
        causes = {bundle: self.own_causes(bundle, changed_step, gone) for bundle in self.refs.values()}
        up: nx.DiGraph[str] = nx.DiGraph()
        up.add_nodes_from(causes)
        for bundle in causes:
            run = self.writer(bundle)
            up.add_edges_from(
                (bundle, self.refs[f"{each['repo_name']}@main"]) for each in (run["inputs"] if run else [])
            )
        rows: set[tuple[object, ...]] = set()
        for reference, bundle in self.refs.items():
            rows |= {(reference, cause, subject, None, 0) for cause, subject in causes[bundle]}
            for given in up.successors(bundle):
                hops = nx.single_source_shortest_path_length(up, given)
                near = min((count for each, count in hops.items() if causes[each]), default=None)
                roots = [each for each, count in hops.items() if count == near and causes[each]]
                via = f"{self.bundles[given]['repo']}@main"
                rows |= {
                    (reference, "upstream", subject, via, (near or 0) + 1)
                    for each in roots
                    for _, subject in causes[each]
                }
        return rows


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(log.iterdir()):
        yield json.loads(path.read_bytes().splitlines()[0])


@pytest.fixture
def played(shell: Shell) -> Shell:
    """A shell in the folder that the demo left, with the demo's home."""
    ran = shell("demo", "--directory", "here")
    assert ran.code == 0, ran.err
    return Shell(shell.cwd / "here" / "home", shell.cwd / "here", shell.variables)


def test_every_question_on_the_demos_store_has_the_oracles_answer(played: Shell) -> None:
    store = played.home / ".datamon" / "store"

    def ask(text: str) -> list[dict[str, Any]]:
        ran = played("query", text, "--format", "json")
        assert ran.code == 0, ran.err
        answer: list[dict[str, Any]] = json.loads(ran.out)
        return answer

    def stale(text: str) -> set[tuple[object, ...]]:
        return {tuple(row[name] for name in ("ref", "cause", "subject", "via", "distance")) for row in ask(text)}

    def closure(text: str) -> set[tuple[str, str, int]]:
        return {(row["kind"], row["id"], row["depth"]) for row in ask(text)}

    oracle = Oracle(store)
    assert len(oracle.runs) == 6
    for reference in ("report@main", "model@main"):
        assert closure(f"UPSTREAM OF '{reference}'") == oracle.closure(reference, upstream=True)
    assert closure("DOWNSTREAM OF 'raw@main'") == oracle.closure("raw@main", upstream=False)
    readers = {each for each in oracle.closure("features@main", upstream=False) if each[0] == "run" and each[2] == 1}
    assert closure("WHAT USED 'features'") == readers
    assert len(readers) == 2
    writer = oracle.writer(oracle.refs["model@main"])
    assert writer is not None
    assert [(row["run"], row["step"], row["bundle"]) for row in ask("WHAT PRODUCED 'model'")] == [
        (writer["id"], "train", oracle.refs["model@main"])
    ]
    assert stale("WHAT IS STALE") == oracle.stale() == set()

    first_model = next(bundle["id"] for bundle in oracle.bundles.values() if bundle["repo"] == "model")
    played.well("label", "set", "--repo", "model", "--label", "first", "--bundle", first_model)
    played.well("bundle", "upload", "--repo", "raw", "--path", "work/features", "--message", "other")
    script = played.cwd / "prepare.py"
    script.write_text(script.read_text().replace("max(2, round", "max(3, round"))
    oracle = Oracle(store)
    expected = oracle.stale(changed_step="prepare")
    assert {cause for _, cause, *_ in expected} == {"input", "code", "superseded", "upstream"}
    assert stale("WHAT IS STALE") == stale("STALE") == expected
    assert stale("WHAT IS STALE IN 'report'") == {row for row in expected if row[0] == "report@main"}
    assert stale("WHY IS 'model@first' STALE") == {row for row in expected if row[0] == "model@first"}

    report = oracle.refs["report@main"]
    session = oracle.bundles[report]["session"]
    (pack,) = (store / "packs").glob(f"*/{session}-*")
    pack.unlink()
    gone = frozenset({report})
    assert stale("WHY IS 'report' STALE") == {
        row for row in oracle.stale(changed_step="prepare", gone=gone) if row[0] == "report@main"
    }
