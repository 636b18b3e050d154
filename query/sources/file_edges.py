"""Which runs read and wrote which files: the edges of lineage file by file, found as they are asked for."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb

from datamon.query.graph.in_memory import Direction, Kept
from datamon.query.trees import File, Trees
from datamon.store.entries import is_at_or_below
from datamon.store.names import RUNS_REPO


class Step(NamedTuple):
    """An edge on the way: a file to a run (its id), or a run to a file, from the end that is nearer to the start."""

    near: "Thing"
    far: "Thing"
    how: str


Thing = File | str
"""A file, or the id of a run."""


@dataclass(frozen=True, slots=True)
class Read:
    """An input of a run. It is `pinned` unless it was read through a branch or a label. `opened` are the paths in the bundle that
    it is known to have opened; None where that is not known."""

    run: str
    repo: str
    bundle: str
    path: str
    how: str
    pinned: bool
    opened: frozenset[str] | None

    def has(self, file: File) -> bool:
        """Whether the run read this file of the bundle, which holds it."""
        if file.is_gone:
            parts = [self.path] if self.opened is None else self.opened
            return any(is_at_or_below(each, file.path) or is_at_or_below(file.path, each) for each in parts)
        return is_at_or_below(file.path, self.path) and (self.opened is None or file.path in self.opened)


class FileEdges:
    """The reads and writes that count, by `kept`.

    A run read the files that it was seen to open; where that is not known, and `USING declared`, all below the declared path. It
    wrote the files of its outputs, without those that it carried over: one of its inputs, of the same repo, holds the same
    content at the same path.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, trees: Trees, kept: Kept) -> None:
        self._connection = connection
        self._trees = trees
        self._kept = kept
        self._reads_of_repo: dict[str, dict[str, list[Read]]] = {}
        self._writes_of_repo: dict[str, list[tuple[str, str]]] = {}

    def steps(self, things: Collection[Thing], direction: Direction, known: Collection[Thing]) -> Iterator[Step]:
        """The edges that leave these things, which are all files or all runs; of several to one run one. Runs in `known` are
        left out."""
        files = sorted(each for each in things if isinstance(each, File))
        runs = sorted(each for each in things if isinstance(each, str))
        if direction == "downstream":
            yield from self._readers(files, known)
            yield from self._written(runs)
        else:
            yield from self._writers(files, known)
            yield from self._opened(runs)

    def _readers(self, files: list[File], known: Collection[Thing]) -> Iterator[Step]:
        for repo, wanted in _by_repo(files).items():
            for bundle, reads in self._reads(repo).items():
                waiting = [read for read in reads if read.run not in known]
                found = self._trees.among(repo, bundle, wanted) if waiting else []
                for read in waiting if found else ():
                    first = next((file for file in found if read.has(file)), None)
                    if first is not None:
                        yield Step(first, read.run, read.how)

    def _writers(self, files: list[File], known: Collection[Thing]) -> Iterator[Step]:
        for repo, wanted in _by_repo(files).items():
            writes = [each for each in self._writes(repo) if each[1] not in known]
            inputs = self._inputs({run for _, run in writes}, only=repo) if writes else {}
            for bundle, run in writes:
                made = self._made(self._trees.among(repo, bundle, wanted), inputs.get(run, ()))
                if made:
                    yield Step(made[0], run, "declared")

    def _written(self, runs: list[str]) -> Iterator[Step]:
        inputs = self._inputs(runs)
        rows = self._ask(
            f"""SELECT DISTINCT run, repo, bundle FROM with_system.outputs
            WHERE {_ONE_OF.format("run")} AND (repo <> ? OR ?) ORDER BY ALL""",  # noqa: S608
            [runs, RUNS_REPO, self._kept.system],
        )
        for run, repo, bundle in rows:
            for file in self._made(self._trees.files(repo, bundle), inputs.get(run, ())):
                yield Step(run, file, "declared")

    def _opened(self, runs: list[str]) -> Iterator[Step]:
        for run, reads in sorted(self._inputs(runs).items()):
            for read in reads:
                for file in self._trees.files(read.repo, read.bundle, read.path) if self._counts(read) else ():
                    if read.has(file):
                        yield Step(run, file, read.how)

    def _made(self, files: list[File], inputs: Iterable[Read]) -> list[File]:
        """Those of the files of an output that the run did not carry over from one of its inputs."""
        if not files:
            return []
        wanted = _contents(files)
        carried: set[File] = set()
        for read in inputs:
            if read.repo == files[0].repo:
                held = self._trees.among(read.repo, read.bundle, wanted)
                carried.update(file for file in held if not file.is_gone and is_at_or_below(file.path, read.path))
        return [file for file in files if file not in carried]

    def _counts(self, read: Read) -> bool:
        if read.pinned and not self._kept.pinned:
            return False
        return self._kept.using in ("any", read.how)

    def _reads(self, repo: str) -> dict[str, list[Read]]:
        """The reads that count of each bundle of a repo."""
        if repo not in self._reads_of_repo:
            found: defaultdict[str, list[Read]] = defaultdict(list)
            for read in self._rows("repo = ?", [repo]):
                if self._counts(read):
                    found[read.bundle].append(read)
            self._reads_of_repo[repo] = found
        return self._reads_of_repo[repo]

    def _inputs(self, runs: Collection[str], only: str | None = None) -> dict[str, list[Read]]:
        """All inputs of each of these runs, or those of one repo."""
        found: defaultdict[str, list[Read]] = defaultdict(list)
        if runs:
            for read in self._rows(f"{_ONE_OF.format('run')} AND (repo = ? OR ? IS NULL)", [sorted(runs), only, only]):
                found[read.run].append(read)
        return found

    def _rows(self, where: str, given: list[object]) -> Iterator[Read]:
        """The reads for which `where` holds, of the runs that count."""
        rows = self._ask(
            f"""SELECT * FROM (
                SELECT i.run, i.role, coalesce(r.shown, i.repo_name) AS repo, i.bundle, i.path, i.how, i.observed,
                    coalesce(i.ref_kind, 'id') NOT IN ('branch', 'label') AS pinned
                FROM kept.inputs i LEFT JOIN kept.repos r ON r.id = i.repo)
            WHERE {where} AND {_COUNTED} AND (repo <> ? OR ?) ORDER BY ALL""",  # noqa: S608
            [*given, self._kept.failed, list(self._kept.runs), RUNS_REPO, self._kept.system],
        )
        seen = self._kept.using != "declared"
        opened = self._opened_by({row[0] for row in rows if seen and row[6]})
        for run, role, repo, bundle, path, how, observed, pinned in rows:
            files = _files_opened(path, opened[run, role]) if seen and observed else None
            yield Read(run, repo, bundle, path, how if files is None else "observed", pinned, files)

    def _opened_by(self, runs: Collection[str]) -> dict[tuple[str, str], set[str]]:
        """What runs were seen to read, by run and role, relative to the part that they read."""
        opened: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        if runs:
            where = f"kind = 'read' AND {_ONE_OF.format('run')}"
            select = f"SELECT run, role, path FROM kept.accesses WHERE {where}"  # noqa: S608
            for run, role, path in self._ask(select, [sorted(runs)]):
                opened[run, role].add(path)
        return opened

    def _writes(self, repo: str) -> list[tuple[str, str]]:
        """The bundles of a repo that runs wrote, each with the run."""
        if repo not in self._writes_of_repo:
            given = [repo, self._kept.failed, list(self._kept.runs), RUNS_REPO, self._kept.system]
            self._writes_of_repo[repo] = self._ask(
                f"""SELECT DISTINCT bundle, run FROM with_system.outputs
                WHERE repo = ? AND {_COUNTED} AND (repo <> ? OR ?) ORDER BY ALL""",  # noqa: S608
                given,
            )
        return self._writes_of_repo[repo]

    def _ask(self, select: str, given: list[object]) -> list[Any]:
        return self._connection.execute(select, given).fetchall()


_ONE_OF = "{} IN (SELECT unnest(?::VARCHAR[]))"
_COUNTED = f"""(? OR {_ONE_OF.format("run")}
    OR run NOT IN (SELECT id FROM kept.runs WHERE status IN ('failed', 'abandoned')))"""  # noqa: S608


def _files_opened(part: str, accesses: Collection[str]) -> frozenset[str]:
    """The paths in a bundle of what was opened in a part of it, which may be a file itself. Listed directories are none."""
    below = {f"{part}/{path}".lstrip("/") for path in accesses if not path.endswith("/")}
    return frozenset(below | ({part} if part.rpartition("/")[2] in accesses else set()))


def _by_repo(files: Iterable[File]) -> dict[str, dict[str, set[str]]]:
    repos: defaultdict[str, dict[str, set[str]]] = defaultdict(dict)
    for file in files:
        repos[file.repo].setdefault(file.path, set()).add(file.content)
    return repos


def _contents(files: Iterable[File]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for file in files:
        wanted.setdefault(file.path, set()).add(file.content)
    return wanted
