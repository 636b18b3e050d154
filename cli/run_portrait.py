"""A run as a person reads it, and as a program does: with the field names of the query relations."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from datamon.cli.cells import printable
from datamon.cli.rows import moment
from datamon.lineage.records import CodeVersion, Environment, InputRecord, PlannedMove, Run
from datamon.lineage.replays import Replay
from datamon.store.clock import timestamp
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


def run_lines(run: Run, environment: Environment | None, gone: Gone) -> Iterator[str]:
    """The same, to read: a fact a line, lists indented below their name."""
    opened, closed = run.opened, run.closed
    yield _fact("run", run.id)
    within = f", within run {opened.parent}" if opened.parent else ""
    yield _fact("step", f"{opened.pipeline}/{opened.step}{_place(run)}{within}")
    yield _fact("status", _status(run))
    yield _fact("started", timestamp(opened.started_ns))
    if run.ended_ns is not None:
        yield _fact("ended", f"{timestamp(run.ended_ns)}, after {(run.ended_ns - opened.started_ns) / 1e9:.3f} s")
    yield _fact("author", f"{opened.author.name} <{opened.author.email}>")
    host = opened.host
    yield _fact("host", f"{host.name}, {host.system} {host.machine}, {host.cpus} cpus, process {host.pid}")
    yield _fact("command", shlex.join(opened.argv))
    if closed and closed.reused:
        yield _fact("reused", f"the outputs of run {closed.reused}; the command was not run")
    yield _fact("directory", opened.cwd)
    yield _fact("code", _code(opened.code))
    if opened.code.bundle:
        yield _fact("kept code", _kept_code(run))
    yield from _list(
        "params", [f"{p.name} = {p.value!r} ({p.source}{f' {p.file}' if p.file else ''})" for p in opened.params]
    )
    yield from _list("inputs", [_input(each) + _fate(gone, each.bundle) for each in run.inputs])
    outputs = [f"{o.role}  {o.repo_name}@{o.branch}  {o.bundle}{_fate(gone, o.bundle)}" for o in run.outputs]
    yield from _list("outputs", outputs)
    if closed is None or not run.outputs:
        yield from _list("meant to write", [f"{o.role}  {o.repo_name}@{o.branch}" for o in opened.outputs])
    if closed:
        yield from _list("metrics", [f"{metric.name} = {metric.value!r}" for metric in closed.metrics])
        yield from _list("refs", [f"{m.ref_kind} {m.ref}  {m.old or 'new'} -> {m.new}" for m in closed.moves])
    yield from _list("what counts", [f"{part.name} = {part.value or 'not there'}" for part in opened.policy])
    if environment is not None:
        yield _fact("environment", _environment(environment))
    if closed and closed.resources:
        used = closed.resources
        cpu = f", {used.user_s:.3f} s user, {used.system_s or 0:.3f} s system" if used.user_s is not None else ""
        memory = f", {used.max_rss_bytes / 2**20:.1f} MiB at most" if used.max_rss_bytes is not None else ""
        yield _fact("resources", f"{used.wall_s:.3f} s{cpu}{memory}")
    yield from _list("replays", [_replay(each) for each in run.replays])
    if closed and closed.streams:
        yield _fact("streams", f"{closed.streams} (see `datamon run logs {run.id}`)")


def _replay(replay: Replay) -> str:
    unlike = [f"{o.repo_name}@{o.branch} {o.path or o.verdict}" for o in replay.outputs if o.verdict != "matched"]
    why = replay.error or ", ".join(unlike)
    return f"{replay.verdict}{f' ({why})' if why else ''}, {timestamp(replay.started_ns)}, {replay.author.name} on {replay.host}"


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


def child_lines(children: Sequence[Run]) -> Iterator[str]:
    """The same, to read."""
    told = [f"{run.id}  {run.opened.pipeline}/{run.opened.step}{_place(run)}  {_status(run)}" for run in children]
    yield from _list("within it", told)


def _place(run: Run) -> str:
    """Its level, and which attempt it is of what it repeats."""
    opened = run.opened
    level = f", a {opened.level}" if opened.level else ""
    return f"{level}, attempt {opened.attempt} after {opened.retry_of}" if opened.retry_of else level


def _deleted(gone: Tombstone | None) -> dict[str, object]:
    """When it was deleted, by whom and why, and what stands in for it; all None while it is there."""
    return {
        "deleted": moment(gone.time_ns) if gone else None,
        "deleted_by": gone.author.name if gone else None,
        "reason": gone.reason if gone else None,
        "replaced_by": gone.replaced_by if gone else None,
    }


def _fate(gone: Gone, bundle: BundleId) -> str:
    return f"  {gone[bundle]}" if bundle in gone else ""


def _named(record: dict[str, object]) -> dict[str, object]:
    """With `repo` its name, as in the query relations, and the id beside it."""
    return {**record, "repo": record["repo_name"], "repo_id": record["repo"]}


def _moved(run: Run, move: PlannedMove) -> dict[str, object]:
    names = {output.repo: output.repo_name for output in run.outputs}
    return {**move.to_record(), "repo": names.get(move.repo), "repo_id": move.repo}


def _fact(name: str, text: str) -> str:
    return f"{name:<12} {printable(text)}"


def _list(name: str, rows: list[str]) -> Iterator[str]:
    if rows:
        yield name
        yield from (f"  {printable(row)}" for row in rows)


def _status(run: Run) -> str:
    closed = run.closed
    if closed is None:
        return run.status
    why = [
        f"exit code {closed.exit_code}" if closed.exit_code is not None else "",
        closed.signal or "",
        closed.error or "",
    ]
    known = ", ".join(text for text in why if text)
    return f"{run.status} ({known})" if known else run.status


def _input(read: InputRecord) -> str:
    ref = f"@{read.ref}" if read.ref else ""
    path = f":{read.path}" if read.path else ""
    changed = f"  changed by the run: {', '.join(read.changed)}" if read.changed else ""
    return f"{read.role}  {read.repo_name}{ref}{path}  {read.bundle}  ({read.ref_kind}, {read.how}){changed}"


def _code(code: CodeVersion) -> str:
    git = f"commit {code.commit[:SHORT_COMMIT]}{' with changes' if code.dirty else ''}" if code.commit else "no commit"
    of = f" of {', '.join(code.paths)}" if code.paths else ""
    what = f" ({code.method}{f' {code.function}' if code.function else ''}{of})" if code.method != "none" else ""
    fingerprint = f", fingerprint {code.fingerprint[:SHORT_COMMIT]}{what}" if code.fingerprint else ""
    return f"{git}{fingerprint}{f', {code.remote}' if code.remote else ''}"


def _kept_code(run: Run) -> str:
    code = run.opened.code
    masked = f", with a secret masked in {', '.join(code.masked)}" if code.masked else ""
    return f"{code.bundle}{masked} (see `datamon run code {run.id}`)"


def _environment(environment: Environment) -> str:
    python = f"{environment.implementation} {environment.python}, " if environment.python else ""
    container = f", in {environment.container}" if environment.container else ""
    image = f", image {environment.image}" if environment.image else ""
    gpus = f", {'; '.join(environment.gpus)}" if environment.gpus else ""
    return f"{python}{len(environment.packages)} packages, {environment.platform}{container}{image}{gpus}"
