"""A run as a program reads it: with the field names of the query relations."""

import shlex
from collections.abc import Mapping, Sequence

from datamon.cli.rows import moment
from datamon.lineage.records import Environment, PlannedMove, Run
from datamon.store.ids import BundleId
from datamon.store.tombstones import Tombstone

SHORT_COMMIT = 12
Gone = Mapping[BundleId, Tombstone]
"""Of a run's inputs and outputs those that were deleted since."""


def run_record(run: Run, environment: Environment | None, gone: Gone) -> dict[str, object]:
    """Everything recorded of a run, and what became of its inputs and outputs."""
    opened, closed = run.opened, run.closed
    return {
        "id": run.id,
        "pipeline": opened.pipeline,
        "step": opened.step,
        "status": run.status,
        "parent": opened.parent,
        "started": moment(opened.started_ns),
        "ended": moment(run.ended_ns) if run.ended_ns is not None else None,
        "exit_code": closed.exit_code if closed else None,
        "signal": closed.signal if closed else None,
        "error": closed.error if closed else None,
        "author": opened.author.name,
        "email": opened.author.email,
        "host": opened.host.to_record(),
        "command": shlex.join(opened.argv),
        "argv": list(opened.argv),
        "cwd": opened.cwd,
        "how": opened.how,
        "level": opened.level,
        "retry_of": opened.retry_of,
        "attempt": opened.attempt,
        "policy": [part.to_record() for part in opened.policy],
        "reuse_key": opened.reuse_key,
        "reused": closed.reused if closed else None,
        "code": {**opened.code.to_record(), "bundle": opened.code.bundle, "masked": list(opened.code.masked)},
        "params": [param.to_record() for param in opened.params],
        "inputs": [{**_named(each.to_record()), **_deleted(gone.get(each.bundle))} for each in run.inputs],
        "outputs": [{**_named(each.to_record()), **_deleted(gone.get(each.bundle))} for each in run.outputs],
        "planned_outputs": [_named(each.to_record()) for each in opened.outputs],
        "labels": list(opened.labels),
        "metrics": [metric.to_record() for metric in closed.metrics] if closed else [],
        "moves": [_moved(run, move) for move in closed.moves] if closed else [],
        "resources": closed.resources.to_record() if closed and closed.resources else None,
        "replays": [{"replay": each.event, **each.to_record()} for each in run.replays],
        "streams": closed.streams if closed else None,
        "environment": environment.to_record() if environment else None,
    }


def child_records(children: Sequence[Run]) -> list[dict[str, object]]:
    """The runs that are part of a run, in brief."""
    return [
        {
            "id": run.id,
            "pipeline": run.opened.pipeline,
            "step": run.opened.step,
            "status": run.status,
            "level": run.opened.level,
            "attempt": run.opened.attempt,
        }
        for run in children
    ]


def _deleted(gone: Tombstone | None) -> dict[str, object]:
    """When it was deleted, by whom and why, and what stands in for it; all None while it is there."""
    return {
        "deleted": moment(gone.time_ns) if gone else None,
        "deleted_by": gone.author.name if gone else None,
        "reason": gone.reason if gone else None,
        "replaced_by": gone.replaced_by if gone else None,
    }


def _named(record: dict[str, object]) -> dict[str, object]:
    """With `repo` its name, as in the query relations, and the id beside it."""
    return {**record, "repo": record["repo_name"], "repo_id": record["repo"]}


def _moved(run: Run, move: PlannedMove) -> dict[str, object]:
    names = {output.repo: output.repo_name for output in run.outputs}
    return {**move.to_record(), "repo": names.get(move.repo), "repo_id": move.repo}
