"""Closures over the graph's file by numbers, from its arrays where they are right and from SQLite elsewhere: a walk costs what it
reaches. Nodes, depths, ways and order are those of `Graph.closure`."""

from __future__ import annotations

import os

from datamon.query.graph.adjacency import LISTS, OTHER, Adjacency, Rules, Said
from datamon.query.graph.arrays import NOWHERE, Arrays
from datamon.query.graph.lookups import repo_of

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

Found = tuple[int, int, int]
"""A node's number, that of the node before it, and that of what the edge between them says."""


class Kind:
    """Nodes of one kind by number: those of the arrays have the numbers there, others the ones above, in the order in which they
    were met. `touched` are the numbers about which the arrays are no longer right."""

    def __init__(self, file: sqlite3.Connection, arrays: Arrays | None, name: str) -> None:
        self.name = name
        self.count = arrays.counts[name] if arrays else 0
        self.touched: set[int] = set()
        self._arrays = arrays
        self._more: dict[str, int] = {}
        self._ids: list[str] = []
        if arrays:
            rows = arrays.rows[name]
            self.touched = {
                rows[n] for (n,) in file.execute("SELECT n FROM touched WHERE kind = ?", (name,)) if n < len(rows)
            }

    def number(self, identity: str) -> int:
        """The node's number; a node that is not known gets one."""
        number = self._more.get(identity)
        if number is None and self._arrays:
            number = self._arrays.number_of(self.name, identity)
        if number is None:
            number = self._more[identity] = self.count + len(self._ids)
            self._ids.append(identity)
        return number

    def ids(self, numbers: Sequence[int]) -> list[str]:
        """The nodes' ids."""
        if self._arrays is None:
            return [self._ids[number] for number in numbers]
        if not self._ids:
            return self._arrays.ids_of(self.name, numbers)
        return [self.identity(number) for number in numbers]

    def identity(self, number: int) -> str:
        """The node's id."""
        if self._arrays and number < self.count:
            return self._arrays.ids_of(self.name, (number,))[0]
        return self._ids[number - self.count]

    def is_right(self, number: int) -> bool:
        """Whether the arrays are right about what lies next to the node."""
        return number < self.count and number not in self.touched

    def in_order(self, found: list[Found]) -> None:
        """What was found stands in the order of ids."""
        if self._ids:
            found.sort(key=lambda each: self.identity(each[0]))
        else:
            found.sort()


class Level:
    """Nodes that lie equally many edges from where a walk began, in the order of their ids."""

    __slots__ = ("depth", "found", "kind")

    def __init__(self, kind: str, depth: int, found: list[Found]) -> None:
        self.kind = kind
        self.depth = depth
        self.found = found

    @property
    def nodes(self) -> list[int]:
        """Their numbers."""
        return [node for node, _, _ in self.found]


class Walker:
    """Walks over one state of the file."""

    def __init__(self, file: sqlite3.Connection, rules: Rules) -> None:
        self.arrays = None if rules.system else open_arrays(file)
        self.kinds = {name: Kind(file, self.arrays, name) for name in OTHER}
        self.said: list[Said] = list(self.arrays.roles) if self.arrays else []
        self.rules = rules
        self._file = file
        self.adjacency = Adjacency(file, rules)
        self._codes = {said: code for code, said in enumerate(self.said)}

    def levels(self, kind: str, starts: Sequence[str], direction: str, within: int | None = None) -> list[Level]:
        """What is reached from nodes of one kind, nearest first, at most `within` runs away; each node once."""
        seen = self._seen()
        blocked = seen[kind]
        level = [self.kinds[kind].number(identity) for identity in sorted(set(starts))]
        level = [
            number for number in level if number >= len(blocked) or not blocked[number]
        ]  # a lost run leads nowhere
        for number in level:
            _mark(blocked, number)
        levels: list[Level] = []
        while level:
            depth = len(levels) // 2 + 1
            if within is not None and depth > within:
                break
            other = OTHER[kind]
            found = self._next(kind, level, direction, seen[other])
            self.kinds[other].in_order(found)
            levels.append(Level(other, depth, found))
            level, kind = levels[-1].nodes, other
        return levels

    def near(self, kind: str, number: int, direction: str) -> list[tuple[int, int]]:
        """The numbers at the other ends of the edges that leave the node, in order, each with that of what its edge says."""
        here, ends = self.kinds[kind], self.kinds[OTHER[kind]]
        if self.arrays is None or not here.is_right(number):
            told = self.adjacency.of(kind, here.identity(number), direction)
            return [(ends.number(identity), self.code(said)) for identity, said in told]
        edges = self.arrays.lists[LISTS[direction, kind]]
        places = range(edges.at[number], edges.at[number + 1])
        if kind == "run":
            return [] if self._drops(number) else [(edges.to[place], edges.said[place]) for place in places]
        return [(edges.to[place], edges.said[place]) for place in places if not self._drops(edges.to[place])]

    def of_one_repo(self, repo: str | None, bundles: Sequence[int]) -> list[str]:
        """The ids of those of the bundles that are of this repo."""
        kind = self.kinds["bundle"]
        wanted = self.arrays.number_of("repo", repo or "") if self.arrays else None
        found: list[int] = []
        for number in bundles:
            if self.arrays and kind.is_right(number):
                if wanted is not None and self.arrays.repos[number] == wanted:
                    found.append(number)
            elif repo_of(self._file, kind.identity(number)) == repo:
                found.append(number)
        return kind.ids(found)

    def repos_of(self, bundles: Sequence[int]) -> dict[int, str]:
        """The ids of the repos of those of the bundles of which the arrays know them."""
        if self.arrays is None:
            return {}
        known = {number: self.arrays.repos[number] for number in bundles if self.kinds["bundle"].is_right(number)}
        numbers = sorted(set(known.values()) - {NOWHERE})
        ids = dict(zip(numbers, self.arrays.ids_of("repo", numbers), strict=True))
        return {number: ids[repo] for number, repo in known.items() if repo != NOWHERE}

    def _drops(self, run: int) -> bool:
        lost = self.arrays is not None and self.arrays.lost[run] and not self.rules.failed
        return bool(lost) and self.kinds["run"].identity(run) not in self.rules.runs

    def _seen(self) -> dict[str, bytearray]:
        """Which nodes a walk does not go to: runs that are lost, to begin with."""
        runs = self.kinds["run"]
        lost = bytearray(runs.count) if self.arrays is None or self.rules.failed else bytearray(self.arrays.lost)
        for number in runs.touched:
            lost[number] = 0  # SQLite says what became of it
        for forced in self.rules.runs:
            number = runs.number(forced)
            if number < len(lost):
                lost[number] = 0
        return {"run": lost, "bundle": bytearray(self.kinds["bundle"].count)}

    def _next(self, kind: str, level: list[int], direction: str, seen: bytearray) -> list[Found]:
        found: list[Found] = []
        if self.arrays is None:
            for number in level:
                self._ask(kind, number, direction, seen, found)
            return found
        near = self.arrays.lists[LISTS[direction, kind]]
        at, to, said = near.at, near.to, near.said
        count, touched = self.kinds[kind].count, self.kinds[kind].touched
        for number in level:
            if number >= count or number in touched:
                self._ask(kind, number, direction, seen, found)
                continue
            for place in range(at[number], at[number + 1]):
                end = to[place]
                if not seen[end]:
                    seen[end] = 1
                    found.append((end, number, said[place]))
        return found

    def _ask(self, kind: str, number: int, direction: str, seen: bytearray, found: list[Found]) -> None:
        ends = self.kinds[OTHER[kind]]
        for identity, said in self.adjacency.of(kind, self.kinds[kind].identity(number), direction):
            end = ends.number(identity)
            if _mark(seen, end):
                found.append((end, number, self.code(said)))

    def code(self, said: Said) -> int:
        """The number of what an edge says."""
        if said not in self._codes:
            self._codes[said] = len(self.said)
            self.said.append(said)
        return self._codes[said]


def _mark(seen: bytearray, number: int) -> bool:
    """Whether the node was not seen before; now it is."""
    if number >= len(seen):
        seen.extend(bytes(number + 1 - len(seen)))
    if seen[number]:
        return False
    seen[number] = 1
    return True


def open_arrays(file: sqlite3.Connection) -> Arrays | None:
    """The arrays that the file names; None when it names none, or they cannot be read: SQLite knows everything."""
    named = file.execute("SELECT value FROM state WHERE name = 'arrays'").fetchall()
    if not named:
        return None
    try:
        return Arrays(os.path.join(os.path.dirname(path_of(file)), named[0][0]))  # noqa: PTH118, PTH120  pathlib takes 7 ms to load
    except (OSError, ValueError, KeyError):
        return None


def path_of(file: sqlite3.Connection) -> str:
    """Where the file lies."""
    (path,) = (path for _, name, path in file.execute("PRAGMA database_list") if name == "main")
    return str(path)
