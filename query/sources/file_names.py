"""What files and runs are called in the rows of lineage file by file."""

from collections import defaultdict
from collections.abc import Iterable

import duckdb

from datamon.query.asking import Row
from datamon.query.graph.in_memory import Node
from datamon.query.sources.closure import Names
from datamon.query.sources.file_edges import Thing
from datamon.query.trees import File, Trees


class FileNames:
    """The first five columns of a closure's rows, for files and runs.

    A file's id is `repo@bundle:path` with the earliest bundle that holds it of those that runs read or wrote or that a ref
    holds, deleted ones after all others; its name has the ref in place of the bundle where one holds it: the first label, else
    the first branch. Of what a bundle held that is gone, the path is empty.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, trees: Trees) -> None:
        self._connection = connection
        self._trees = trees
        self._rows: dict[Thing, Row] = {}
        self.deleted: dict[Thing, str] = {}
        """The files that only deleted bundles hold, each with the earliest of them."""

    def learn(self, things: Iterable[Thing]) -> None:
        """Their rows are known."""
        new = [thing for thing in things if thing not in self._rows]
        runs = [Node("run", thing) for thing in new if isinstance(thing, str)]
        names = Names(self._connection, runs)
        self._rows.update((run.id, names.row(run)) for run in runs)
        repos: defaultdict[str, list[File]] = defaultdict(list)
        for thing in new:
            if isinstance(thing, File):
                repos[thing.repo].append(thing)
        for repo, files in repos.items():
            self._learn_files(repo, files)

    def row(self, thing: Thing) -> Row:
        """kind, id, name, repo, ref."""
        return self._rows[thing]

    def id(self, thing: Thing) -> str:
        """The id of its row."""
        if thing not in self._rows:
            self.learn([thing])
        return str(self._rows[thing][1])

    def _learn_files(self, repo: str, files: list[File]) -> None:
        earliest = self._first(repo, files, self._bundles(repo))
        held = self._first(repo, files, self._refs(repo))
        for file in files:
            bundle, ref = earliest.get(file, file.content), held.get(file)
            if self._trees.is_deleted(repo, bundle):
                self.deleted[file] = bundle
            shown = f"{repo}@{ref or bundle}" + (f":{file.path}" if file.path else "")
            self._rows[file] = ("file", f"{repo}@{bundle}:{file.path}", shown, repo, ref)

    def _first(self, repo: str, files: list[File], bundles: list[tuple[str, str]]) -> dict[File, str]:
        """Of each file the name that stands beside the first of the bundles that holds it."""
        found: dict[File, str] = {}
        wanted: dict[str, set[str]] = {}
        for file in files:
            wanted.setdefault(file.path, set()).add(file.content)
        for bundle, name in bundles:
            if not wanted:
                break
            for file in self._trees.among(repo, bundle, wanted):
                found[file] = name
                wanted[file.path].discard(file.content)
                if not wanted[file.path]:
                    del wanted[file.path]
        return found

    def _bundles(self, repo: str) -> list[tuple[str, str]]:
        return self._connection.execute(
            """SELECT id, id FROM with_system.bundles WHERE repo = $repo AND id IN (
                SELECT bundle FROM with_system.inputs WHERE repo = $repo
                UNION SELECT bundle FROM with_system.outputs WHERE repo = $repo
                UNION SELECT bundle FROM with_system.labels WHERE repo = $repo
                UNION SELECT bundle FROM with_system.branches WHERE repo = $repo)
            ORDER BY deleted, position, id""",
            {"repo": repo},
        ).fetchall()

    def _refs(self, repo: str) -> list[tuple[str, str]]:
        return self._connection.execute(
            """SELECT bundle, name FROM (
                SELECT bundle, name, 0 AS place FROM with_system.labels WHERE repo = $repo
                UNION ALL SELECT bundle, name, 1 FROM with_system.branches WHERE repo = $repo)
            ORDER BY place, name""",
            {"repo": repo},
        ).fetchall()
