"""Lineage file by file, spelled out over small records: the definition that the engine's answers are compared with."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from datamon.query.graph.in_memory import Direction

Node = tuple[str, ...]
"""("file", repo, path, content) or ("run", id)."""


class Held(NamedTuple):
    """A bundle: its repo and its contents by path."""

    repo: str
    files: Mapping[str, str]


class Used(NamedTuple):
    """A run's input: a bundle, the path of the part, and the paths in the bundle that it opened, where that is known."""

    bundle: str
    part: str
    opened: frozenset[str] | None


@dataclass
class FileHistory:
    """Bundles by id, and what runs read and wrote."""

    bundles: dict[str, Held] = field(default_factory=dict)
    runs: dict[str, tuple[tuple[Used, ...], tuple[str, ...]]] = field(default_factory=dict)

    def edges(self, using: str = "any") -> Iterator[tuple[Node, Node, str]]:
        """Every read and every write of a file, in the direction of the data, and how it is known."""
        for run, (inputs, outputs) in self.runs.items():
            for used in inputs:
                how = "declared" if used.opened is None or using == "declared" else "observed"
                for path, content in self._below(used):
                    if (how == "declared" or path in (used.opened or ())) and using in ("any", how):
                        yield ("file", self.bundles[used.bundle].repo, path, content), ("run", run), how
            for bundle in outputs:
                repo, files = self.bundles[bundle]
                for path, content in files.items():
                    if not any(self._carries(used, repo, path, content) for used in inputs):
                        yield ("run", run), ("file", repo, path, content), "declared"

    def _below(self, used: Used) -> Iterator[tuple[str, str]]:
        for path, content in self.bundles[used.bundle].files.items():
            if not used.part or path == used.part or path.startswith(f"{used.part}/"):
                yield path, content

    def _carries(self, used: Used, repo: str, path: str, content: str) -> bool:
        return self.bundles[used.bundle].repo == repo and (path, content) in self._below(used)


def closure(
    edges: Iterable[tuple[Node, Node, str]],
    starts: Iterable[Node],
    direction: Direction,
    *,
    stop: Callable[[Node], bool] = lambda _: False,
    via: Callable[[Node], bool] | None = None,
) -> dict[Node, int]:
    """The least depth in runs of every node that is reached."""
    pairs = [(near, far) if direction == "downstream" else (far, near) for near, far, _ in edges]
    level = {(node, via is None) for node in starts}
    first = {node for node, _ in level}
    seen = set(level)
    depths: dict[Node, int] = {}
    hops = 0
    while level:
        hops += 1
        found = {
            (far, passed or via is None or via(far))
            for node, passed in level
            if not (stop(node) and node not in first)
            for near, far in pairs
            if near == node
        }
        level = {state for state in found - seen if state[0] not in first}
        seen |= level
        for node, passed in level:
            if passed:
                depths.setdefault(node, (hops + 1) // 2)
    return depths
