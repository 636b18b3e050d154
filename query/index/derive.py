"""From what the journal and the logs say to the rows of the index. Pure: no order of arrival shows in the rows."""

import shlex
from collections.abc import Iterable, Mapping
from itertools import groupby

from datamon.lineage.param_values import plain
from datamon.lineage.records import CodeVersion, Run, combine
from datamon.lineage.replays import Replay
from datamon.store.bundle import Bundle, Entry
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RepoId

Row = tuple[object, ...]
Rows = dict[str, list[Row]]
"""Rows by the name of the kept table they belong to. Times are microseconds since 1970 in UTC."""

REPO_KINDS = frozenset({"repo-created", "repo-renamed", "repo-deleted"})
_SHORT_COMMIT = 10
_SHORT_FINGERPRINT = 12


def rows_of_runs(events: Iterable[tuple[str, Record]]) -> tuple[Rows, list[str]]:
    """The rows of the runs that these journal records speak of, given as (run, record) with each run's records together;
    and the runs whose records cannot be understood, which get no rows. A run whose opening is not among them has none either."""
    names = ("runs", "inputs", "outputs", "accesses", "captures", "params", "metrics", "policies", "replays")
    rows: Rows = {name: [] for name in names}
    broken: list[str] = []
    for name, group in groupby(events, key=lambda pair: pair[0]):
        try:
            run = combine(record for _, record in group)
            derived = _rows_of_run(run) if run else {}
        except (KeyError, TypeError, ValueError, AttributeError):
            broken.append(name)  # one bad record must not keep all others from being asked
            continue
        for table, several in derived.items():
            rows[table] += several
    return rows, broken


def _rows_of_run(run: Run) -> Rows:
    return {
        "runs": [_run_row(run)],
        "inputs": [
            (
                run.id,
                each.role,
                each.repo,
                each.repo_name,
                each.ref,
                each.ref_kind,
                each.bundle,
                each.content,
                each.path,
                each.how,
                list(each.changed),
                each.read is not None,
            )
            for each in run.inputs
        ],
        "outputs": _output_rows(run),
        "accesses": _access_rows(run),
        "captures": _capture_rows(run),
        "params": [
            (run.id, each.name, plain(each.value), each.source, each.file, each.key) for each in run.opened.params
        ],
        "policies": [(run.id, part.name, part.value) for part in run.opened.policy],
        "replays": [row for each in run.replays for row in _replay_rows(run, each)],
        "metrics": [(run.id, metric.name, str(metric.value)) for metric in (run.closed.metrics if run.closed else ())],
    }


def _run_row(run: Run) -> Row:
    opened, closed, code = run.opened, run.closed, run.opened.code
    ended_ns = run.ended_ns
    return (
        run.id,
        opened.pipeline,
        opened.step,
        run.status,
        opened.parent,
        opened.started_ns // 1000,
        None if ended_ns is None else ended_ns // 1000,
        None if ended_ns is None else (ended_ns - opened.started_ns) / 1e9,
        opened.author.name,
        opened.author.email,
        opened.host.name,
        shlex.join(opened.argv),
        opened.cwd,
        code_text(code),
        code.commit,
        code.dirty,
        code.remote,
        code.fingerprint,
        closed.exit_code if closed else None,
        closed.signal if closed else None,
        closed.error if closed else None,
        opened.environment,
        opened.how,
        opened.level,
        opened.retry_of,
        opened.attempt,
        code.method,
        code.root,
        list(code.paths),
        code.function,
        opened.reuse_key,
        closed.reused if closed else None,
    )


def _output_rows(run: Run) -> list[Row]:
    """What the run committed, and without bundle what it planned and did not (or has not yet) committed."""
    closed = [
        (run.id, each.role, each.repo, each.repo_name, each.branch, each.bundle, each.content) for each in run.outputs
    ]
    done = {(each.role, each.repo, each.branch) for each in run.outputs}
    planned = [each for each in run.opened.outputs if (each.role, each.repo, each.branch) not in done]
    return [
        *closed,
        *((run.id, each.role, each.repo, each.repo_name, each.branch, None, None) for each in planned),
    ]


def _replay_rows(run: Run, replay: Replay) -> list[Row]:
    """A row for each output, and one for a replay that has none."""
    whole = (run.id, replay.event, replay.started_ns // 1000, replay.ended_ns // 1000, replay.verdict)
    more = (replay.error, replay.environment, replay.packages, replay.whole, replay.host, replay.author.name)
    outputs: list[Row] = [
        (each.role, each.repo, each.repo_name, each.branch, each.verdict, each.path, each.change, each.old, each.new)
        for each in replay.outputs
    ]
    return [(*whole, *output, *more) for output in outputs or [(None,) * 9]]


def _access_rows(run: Run) -> list[Row]:
    """What was read and looked for in inputs, and what was read and written elsewhere."""
    rows: list[Row] = []
    for each in run.inputs:
        rows += [(run.id, "read", each.role, path) for path in each.read or ()]
        rows += [(run.id, "absent", each.role, path) for path in each.absent]
    capture = run.closed.capture if run.closed else None
    if capture is not None:
        rows += [(run.id, "undeclared", None, path) for path in capture.undeclared]
        rows += [(run.id, "written", None, path) for path in capture.written]
    return rows


def _capture_rows(run: Run) -> list[Row]:
    capture = run.closed.capture if run.closed else None
    if capture is None:
        return []
    counts = (capture.reads, capture.writes, capture.absent, capture.system)
    more = (capture.undeclared_count, capture.written_count, capture.truncated)
    return [(run.id, capture.method, capture.whole, list(capture.blind_spots), *counts, *more)]


def code_text(code: CodeVersion) -> str | None:
    """A code version as a person reads it: a short commit, with `+dirty` when files differed from it; without git the
    beginning of the fingerprint; None when neither is known.

    >>> code_text(CodeVersion(commit="0123456789abcdef", dirty="77"))
    '0123456789+dirty'
    """
    if code.commit:
        return code.commit[:_SHORT_COMMIT] + ("+dirty" if code.dirty else "")
    return code.fingerprint[:_SHORT_FINGERPRINT] if code.fingerprint else None


def rows_of_entries(repo: RepoId, entries: Iterable[Entry]) -> Rows:
    """The rows of entries of a repo's log."""
    rows: Rows = {"bundles": [], "deletions": [], "ref_history": []}
    for entry in entries:
        rows["bundles"] += [_bundle_row(repo, entry.number, bundle) for bundle in entry.bundles]
        rows["deletions"] += [_deletion_row(repo, entry, bundle) for bundle in entry.deleted]
        rows["ref_history"] += _move_rows(repo, entry)
    return rows


def _bundle_row(repo: RepoId, position: int, bundle: Bundle) -> Row:
    return (
        bundle.id,
        repo,
        position,
        bundle.content,
        bundle.manifest,
        list(bundle.parents),
        bundle.author.name,
        bundle.author.email,
        bundle.time_ns // 1000,
        bundle.message,
        bundle.entries,
        bundle.size_bytes,
        bundle.run,
        bundle.role,
    )


def _deletion_row(repo: RepoId, entry: Entry, bundle: BundleId) -> Row:
    return (
        repo,
        bundle,
        entry.number,
        entry.time_ns // 1000,
        entry.author.name,
        entry.author.email,
        entry.reason,
        entry.replaced.get(bundle),
    )


def _move_rows(repo: RepoId, entry: Entry) -> list[Row]:
    return [
        (
            repo,
            move.ref,
            move.ref_kind,
            entry.number,
            place,
            move.old,
            move.new,
            move.frozen,
            entry.author.name,
            entry.author.email,
            entry.made_ns // 1000,
            entry.run,
        )
        for place, move in enumerate(entry.moves)
    ]


def rows_of_repos(records: Iterable[Record]) -> list[Row]:
    """The rows of `repos`, from the entries of the store's log in their order. `shown` is what a repo is called where a name must
    mean one repo: its name, and for a deleted one whose name was taken by another, the name, '#' and its id."""
    repos: dict[str, dict[str, object]] = {}
    for record in records:
        if record["kind"] == "repo-created":
            repos[record["repo"]] = {
                "name": record["name"],
                "description": record["description"],
                "author": record["author"]["name"],
                "email": record["author"]["email"],
                "created": record.get("origin", record)["time"] // 1000,
                "deleted": None,
                "deleted_by": None,
                "deleted_email": None,
                "reason": None,
            }
        elif record["kind"] == "repo-renamed" and record["repo"] in repos:
            repos[record["repo"]]["name"] = record["name"]
        elif record["kind"] == "repo-deleted" and record["repo"] in repos:
            repos[record["repo"]] |= {
                "deleted": record["time"] // 1000,
                "deleted_by": record["author"]["name"],
                "deleted_email": record["author"]["email"],
                "reason": record.get("reason"),
            }
    newest = {fields["name"]: identity for identity, fields in repos.items() if fields["deleted"]}
    newest |= {fields["name"]: identity for identity, fields in repos.items() if not fields["deleted"]}
    return [
        (identity, *fields.values(), _shown(fields["name"], identity, newest)) for identity, fields in repos.items()
    ]


def _shown(name: object, identity: str, newest: Mapping[object, str]) -> str:
    return f"{name}" if newest[name] == identity else f"{name}#{identity}"


def rows_of_environment(digest: str, record: Mapping[str, object]) -> list[Row]:
    """The rows of `packages` that an environment record gives; the interpreter is one of them, as `python`."""
    packages = record.get("packages")
    versions: dict[str, object] = {"python": record["python"]} if record.get("python") else {}
    if isinstance(packages, dict):
        versions |= packages
    return [(digest, name, version) for name, version in sorted(versions.items())]
