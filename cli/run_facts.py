"""A run as a person reads it: everything that is recorded of it, as a tree of facts."""

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from datamon.cli.fact_tree import Fact
from datamon.cli.fitting import Part
from datamon.cli.marks import status_mark
from datamon.cli.rows import moment
from datamon.cli.run_portrait import Gone
from datamon.cli.told_times import told, took
from datamon.lineage.records import CodeVersion, Environment, InputRecord, OutputRecord, Run
from datamon.lineage.replays import Replay
from datamon.store.clock import timestamp
from datamon.store.ids import BundleId

SHORT_COMMIT = 12


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known beside a run's record: its environment, what was deleted since, the runs within it at any depth."""

    environment: Environment | None = None
    gone: Gone = field(default_factory=dict)
    within: Sequence[Run] = ()


def run_facts(run: Run, beside: Beside, now: datetime) -> Fact:
    """Everything recorded of a run."""
    facts = (*_doing(run, now), *_of_code(run), *_reading(run, beside), *_ending(run, beside))
    step = Part(f"{run.opened.pipeline}/{run.opened.step}", "magenta")
    return Fact("run", (Part(run.id), step), (*facts, *_parts_of(run, beside.within)))


def _doing(run: Run, now: datetime) -> Iterator[Fact]:
    opened, closed = run.opened, run.closed
    why = _why(run)
    yield Fact("status", (status_mark(run.status, said=True), Part(f"({why})" if why else "", "dim")))
    if opened.parent:
        yield _fact("part of", f"run {opened.parent}")
    if opened.level:
        yield _fact("level", opened.level)
    if opened.retry_of:
        yield _fact("attempt", f"{opened.attempt}, after run {opened.retry_of}")
    started, ago = timestamp(opened.started_ns), told(moment(opened.started_ns), now)
    yield Fact("started", (Part(started), Part("" if started.startswith(ago) else ago, "dim")))
    if run.ended_ns is not None:
        spent = took((run.ended_ns - opened.started_ns) / 1e9)
        yield Fact("ended", (Part(timestamp(run.ended_ns)), Part(f"after {spent}", "dim")))
    yield _fact("author", f"{opened.author.name} <{opened.author.email}>")
    host = opened.host
    yield _fact("host", f"{host.name}, {host.system} {host.machine}, {host.cpus} cpus, process {host.pid}")
    yield _fact("command", shlex.join(opened.argv))
    if closed and closed.reused:
        yield _fact("reused", f"the outputs of run {closed.reused}; the command was not run")
    yield _fact("directory", opened.cwd)


def _of_code(run: Run) -> Iterator[Fact]:
    code = run.opened.code
    yield _fact("code", _code(code))
    if code.bundle:
        masked = f", with a secret masked in {', '.join(code.masked)}" if code.masked else ""
        yield _fact("kept code", f"{code.bundle}{masked} (see `datamon run code {run.id}`)")
    yield from _list(
        "params",
        [
            (Part(p.name), Part(f"= {p.value!r}"), Part(f"({p.source}{f' {p.file}' if p.file else ''})", "dim"))
            for p in run.opened.params
        ],
    )


def _reading(run: Run, beside: Beside) -> Iterator[Fact]:
    opened, closed, gone = run.opened, run.closed, beside.gone
    yield from _list("inputs", [_input(each, gone) for each in run.inputs])
    yield from _list("outputs", [_output(each, gone) for each in run.outputs])
    if closed is None or not run.outputs:
        meant = [(Part(o.role), Part(f"{o.repo_name}@{o.branch}", "blue")) for o in opened.outputs]
        yield from _list("meant to write", meant)


def _ending(run: Run, beside: Beside) -> Iterator[Fact]:
    closed = run.closed
    if closed:
        yield from _list("metrics", [(Part(each.name), Part(f"= {each.value!r}")) for each in closed.metrics])
        moves = [(Part(f"{m.ref_kind} {m.ref}"), Part(f"{m.old or 'new'} -> {m.new}")) for m in closed.moves]
        yield from _list("refs", moves)
    policy = [(Part(part.name), Part(f"= {part.value or 'not there'}")) for part in run.opened.policy]
    yield from _list("what counts", policy)
    if beside.environment is not None:
        yield _fact("environment", _environment(beside.environment))
    if closed and closed.resources:
        used = closed.resources
        cpu = f", {used.user_s:.3f} s user, {used.system_s or 0:.3f} s system" if used.user_s is not None else ""
        memory = f", {used.max_rss_bytes / 2**20:.1f} MiB at most" if used.max_rss_bytes is not None else ""
        yield _fact("resources", f"{used.wall_s:.3f} s{cpu}{memory}")
    yield from _list("replays", [_replay(each) for each in run.replays])
    if closed and closed.streams:
        yield _fact("streams", f"{closed.streams} (see `datamon run logs {run.id}`)")


def _parts_of(run: Run, within: Sequence[Run]) -> Iterator[Fact]:
    """The runs that are part of it, each below the one that it is part of, in the order in which they began."""
    below: dict[str | None, list[Run]] = defaultdict(list)
    for each in within:
        below[each.opened.parent].append(each)
    made: dict[str, Fact] = {}
    for each in _inmost_first(run, below):
        opened = each.opened
        known = [Part(f"{opened.pipeline}/{opened.step}", "magenta"), status_mark(each.status), Part(each.id, "dim")]
        why = _why(each) if each.status != "succeeded" else ""
        level = f"a {opened.level}" if opened.level else ""
        attempt = f"attempt {opened.attempt} after {opened.retry_of}" if opened.retry_of else ""
        more = [Part(", ".join(text for text in (why, level, attempt) if text), "dim")]
        made[each.id] = Fact("", (*known, *more), tuple(made[child.id] for child in below[each.id]))
    if below[run.id]:
        yield Fact("within it", (), tuple(made[each.id] for each in below[run.id]))


def _inmost_first(run: Run, below: dict[str | None, list[Run]]) -> list[Run]:
    found, waiting = [], list(below[run.id])
    while waiting:
        found.append(waiting.pop())
        waiting.extend(below[found[-1].id])
    return found[::-1]


def _fact(name: str, text: str) -> Fact:
    return Fact(name, (Part(text),))


def _list(name: str, rows: Sequence[tuple[Part, ...]]) -> Iterator[Fact]:
    if rows:
        yield Fact(name, (), tuple(Fact("", row) for row in rows))


def _why(run: Run) -> str:
    """What is known of how it ended."""
    closed = run.closed
    if closed is None:
        return ""
    why = [
        f"exit code {closed.exit_code}" if closed.exit_code is not None else "",
        closed.signal or "",
        closed.error or "",
    ]
    return ", ".join(text for text in why if text)


def _input(read: InputRecord, gone: Gone) -> tuple[Part, ...]:
    ref = f"@{read.ref}" if read.ref else ""
    path = f":{read.path}" if read.path else ""
    changed = f"changed by the run: {', '.join(read.changed)}" if read.changed else ""
    how = Part(f"({read.ref_kind}, {read.how})", "dim")
    rest = Part(changed, "yellow"), _fate(gone, read.bundle)
    return Part(read.role), Part(f"{read.repo_name}{ref}{path}", "blue"), Part(read.bundle, "dim"), how, *rest


def _output(written: OutputRecord, gone: Gone) -> tuple[Part, ...]:
    where = Part(f"{written.repo_name}@{written.branch}", "blue")
    return Part(written.role), where, Part(written.bundle, "dim"), _fate(gone, written.bundle)


def _fate(gone: Gone, bundle: BundleId) -> Part:
    return Part(str(gone[bundle]), "red") if bundle in gone else Part("")


def _replay(replay: Replay) -> tuple[Part, ...]:
    unlike = [f"{o.repo_name}@{o.branch} {o.path or o.verdict}" for o in replay.outputs if o.verdict != "matched"]
    why = replay.error or ", ".join(unlike)
    when = f"{timestamp(replay.started_ns)}, {replay.author.name} on {replay.host}"
    return Part(f"{replay.verdict}{f' ({why})' if why else ''}"), Part(when)


def _code(code: CodeVersion) -> str:
    git = f"commit {code.commit[:SHORT_COMMIT]}{' with changes' if code.dirty else ''}" if code.commit else "no commit"
    of = f" of {', '.join(code.paths)}" if code.paths else ""
    what = f" ({code.method}{f' {code.function}' if code.function else ''}{of})" if code.method != "none" else ""
    fingerprint = f", fingerprint {code.fingerprint[:SHORT_COMMIT]}{what}" if code.fingerprint else ""
    return f"{git}{fingerprint}{f', {code.remote}' if code.remote else ''}"


def _environment(environment: Environment) -> str:
    python = f"{environment.implementation} {environment.python}, " if environment.python else ""
    container = f", in {environment.container}" if environment.container else ""
    image = f", image {environment.image}" if environment.image else ""
    gpus = f", {'; '.join(environment.gpus)}" if environment.gpus else ""
    return f"{python}{len(environment.packages)} packages, {environment.platform}{container}{image}{gpus}"
