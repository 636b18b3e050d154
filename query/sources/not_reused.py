"""WHY WAS … NOT REUSED: in what a run differs from the earlier run of its step that is most like it."""

import json
import shlex
from collections.abc import Mapping

from datamon.lineage.differences import Difference, Kind, compared
from datamon.lineage.param_values import plain
from datamon.lineage.records import Run
from datamon.lineage.reuse.parts import obstacle_of
from datamon.query.asking import Asking, Rows, World
from datamon.query.facts import recorded_runs
from datamon.query.language.faults import fault
from datamon.query.language.statement import NotReused
from datamon.query.sources.diff import COLUMNS
from datamon.query.sources.runs_behind import run_behind

MOST_COMPARED = 1_000
"""Of the earlier runs so many, the newest, are looked at."""


def rows_of_not_reused(asking: Asking, world: World, source: NotReused) -> Rows:
    """What decides about reuse and is not as in the nearest earlier run; none when there was such a run, which a note tells.
    Raises errors that point at their place."""
    identity = run_behind(world, asking.target(source.ref))
    if identity is None:
        raise fault(asking.text, source.ref.span, "no recorded run wrote it; name a run, as in run '…'")
    [run] = recorded_runs(world.connection, [identity])
    if run.closed is not None and run.closed.reused is not None:
        asking.note(f"it was reused: its outputs are those of run {run.closed.reused}")
        return Rows(COLUMNS, [])
    _tell_obstacle(asking, run)
    earlier = list(recorded_runs(world.connection, _earlier(world, run)))
    if not earlier:
        asking.note(f"no earlier run of {run.opened.pipeline}/{run.opened.step} succeeded and wrote something")
        return Rows(COLUMNS, [])
    own = _parts(run)
    found, nearest = min(
        ((_differences(_parts(each), own), each) for each in earlier),
        key=lambda pair: (len(pair[0]), -pair[1].opened.started_ns, pair[1].id),
    )
    if found:
        asking.note(f"the earlier run most like it is {nearest.id}")
    else:
        asking.note(f"run {nearest.id} did the same before; --reuse, or reuse=True, would have taken its outputs")
    return Rows(COLUMNS, [(each.kind, each.name, each.change, each.old, each.new) for each in found])


def _tell_obstacle(asking: Asking, run: Run) -> None:
    reason = obstacle_of(run.opened)
    if reason is not None:
        asking.note(f"nothing could be reused: {reason}")


def _earlier(world: World, run: Run) -> list[str]:
    rows = world.connection.execute(
        """SELECT r.id FROM runs r JOIN runs t ON t.pipeline = r.pipeline AND t.step = r.step
        WHERE t.id = $id AND r.id <> $id AND r.status = 'succeeded' AND (r.started, r.id) < (t.started, t.id)
            AND r.id IN (SELECT run FROM outputs)
        ORDER BY r.started DESC, r.id DESC LIMIT $most""",
        {"id": run.id, "most": MOST_COMPARED},
    ).fetchall()
    return [identity for (identity,) in rows]


_Parts = Mapping[Kind, Mapping[str, str]]


def _parts(run: Run) -> _Parts:
    """What decides whether two runs are the same computation (`reuse.parts`), by kind and name."""
    opened = run.opened
    command = {"words": shlex.join(opened.argv), "directory": opened.cwd} if opened.how == "command" else {}
    return {
        "code": {"fingerprint": opened.code.fingerprint} if opened.code.fingerprint else {},
        "command": command,
        "param": {param.name: plain(param.value) for param in opened.params},
        "input": {
            each.role: json.dumps([each.content, each.directory]) if each.directory else each.content
            for each in opened.inputs
            if each.how != "observed"
        },
        "env": {part.name: part.value for part in opened.policy if part.value is not None},
        "output": {each.role: each.directory or each.role for each in opened.outputs},
    }


def _differences(old: _Parts, new: _Parts) -> list[Difference]:
    return [each for kind in new for each in compared(kind, old[kind], new[kind])]
