"""VIA: what is reached on ways that go through certain nodes."""

from collections.abc import Collection, Sequence

from datamon.query.graph.in_memory import Bounds, Direction, Graph, Node, Reached

_State = tuple[Node, bool]
"""A node, and whether the way to it went through one that was wanted, or it is one."""


def reached_through(
    graph: Graph, starts: Sequence[Node], direction: Direction, bounds: Bounds, wanted: Collection[str]
) -> list[Reached]:
    """What can be reached from `starts` on ways that go through a node whose id is in `wanted`, that node itself included; each
    once, with the depth of the shortest such way, nearest first. A start counts as passed through only where it is a run."""
    level: list[_State] = [(node, node.kind == "run" and node.id in wanted) for node in sorted(set(starts))]
    seen = set(level) | {(node, True) for node in starts}
    reached: list[Reached] = []
    hops = 0
    while level:
        hops += 1
        depth = (hops + 1) // 2
        if bounds.within is not None and depth > bounds.within:
            break
        found: list[tuple[_State, Reached]] = []
        for node, passed in level:
            for edge in graph.next_to(node, direction):
                state = (edge.node, passed or edge.node.id in wanted)
                known = state in seen or (edge.node, True) in seen
                if not known and bounds.only(edge.node) and (node, edge.node) not in bounds.cut:
                    seen.add(state)
                    found.append((state, Reached(edge.node, depth, node, edge.role, edge.how)))
        found.sort(key=lambda each: each[0])
        reached += [each for (_, passed), each in found if passed]
        level = [state for state, _ in found if not bounds.stop(state[0])]
    once = {each.node: each for each in reversed(reached)}
    return sorted(once.values(), key=lambda each: (each.depth, each.node))
