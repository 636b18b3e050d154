"""Replay: a recorded run is done again in a clean tree, on a view of the store, so that nothing of anybody's changes."""

import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from datamon.errors import Conflict, NotFound
from datamon.lineage.capture.host import capture_host
from datamon.lineage.children import Answer, Children, Program
from datamon.lineage.finding import environment_of, find_run
from datamon.lineage.kinds import RUN_REPLAYED
from datamon.lineage.nesting import PARENT_VARIABLE, VIEW_VARIABLE
from datamon.lineage.records import InputRecord, Run
from datamon.lineage.replay.comparing import compared, verdict_on
from datamon.lineage.replay.packages import Installed, install
from datamon.lineage.replay.place import clean_tree, moved, refusal
from datamon.lineage.replays import Replay, ReplayedOutput, Verdict
from datamon.lineage.secrets import MASK
from datamon.lineage.workplace import Workplace, sweep
from datamon.store import layout
from datamon.store.bundle import Move
from datamon.store.codec import stamped
from datamon.store.ids import RepoId, new_ksuid
from datamon.store.opening import Store
from datamon.store.refs import live_bundle
from datamon.store.tombstones import standing_in
from datamon.store.view import point, view_of


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What to do again, and how: `program` does it, `repository` is a git working tree that may have its commit, with `packages`
    the recorded ones are installed for it, and `keep` is an absent directory that the clean tree is left in."""

    run: Run
    program: Program
    repository: Path | None = None
    packages: bool = False
    keep: Path | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it: the record, which is durable, notes for a person, and the end of what was printed."""

    replay: Replay
    notes: tuple[str, ...]
    printed: str


def replay(store: Store, request: ReplayRequest) -> Replayed:
    """The run was done again when this returns, and the verdict stands in the journal; no ref moved and no bundle was made in the
    store. A request to stop (SIGINT, SIGTERM, SIGHUP) ends it without a record.

    Raises Invalid (`not-repeatable`) where the record does not say everything or the code is not known exactly, NotFound
    (`bundle-not-found`) where an input was deleted, Conflict (`destination-not-empty`) for `keep`, Unavailable
    (`packages-missing`) where a recorded package cannot be had, KeyboardInterrupt.
    """
    host = capture_host()
    sweep(store, host)
    if request.keep is not None and request.keep.exists():
        raise Conflict(
            "destination-not-empty",
            f"{request.keep} is there already; name a directory that is not",
            path=str(request.keep),
        )
    with Workplace(store, host) as workplace:
        folder = workplace.directory("replay")
        tree = folder / "code"
        made = clean_tree(store, request.run, tree, request.repository)
        view = view_of(store, folder / "view")
        _set_refs(view, request.run)
        installed = install(store, request.run, folder / "packages") if request.packages else Installed()
        began_ns = store.clock()
        answer = _done_again(store, request, folder, installed)
        judged = _judge(view_of(store, folder / "view"), request.run, answer)
        record = _record(store, view, request, judged, (began_ns, made.whole))
        if request.keep is not None:
            tree.rename(request.keep)
    return Replayed(record, (*made.notes, *installed.notes, *answer.notes), answer.printed)


def _set_refs(view: Store, run: Run) -> None:
    """In the view the refs stand where the run found them, those too through which it read by path, and those of branches that it
    wrote to by path. Raises NotFound, Invalid (`not-repeatable`)."""
    moves: dict[RepoId, list[Move]] = {}
    planned = {each.role for each in run.opened.outputs}
    for made in run.closed.outputs if run.closed is not None else ():
        repo_state = view.logs.repo(made.repo)
        bundle = repo_state.bundles.get(made.bundle)
        if made.role not in planned and bundle is not None and bundle.parents:
            before = standing_in(repo_state, bundle.parents[0])
            moves.setdefault(made.repo, []).append(Move(made.branch, "branch", None, before))
    by_path = [each for each in run.closed.inputs if each.how == "observed"] if run.closed is not None else []
    for read in (*run.opened.inputs, *by_path):
        if read.how == "declared" or read.ref is not None:
            repo = _check_input(view, run, read)
            if read.ref is not None and read.ref_kind in ("branch", "label"):
                moves.setdefault(repo, []).append(Move(read.ref, read.ref_kind, None, read.bundle))
    for repo, several in moves.items():
        point(view, view.logs.store().repos[repo], list({move.ref: move for move in several}.values()))


def _check_input(view: Store, run: Run, read: InputRecord) -> RepoId:
    standing = view.logs.store().repos.get(read.repo)
    if standing is None:
        raise NotFound(
            "repo-not-found", f"the repo {read.repo_name!r} was deleted; the run read it", repo=read.repo_name
        )
    if standing.name != read.repo_name and run.opened.how == "decorator":
        raise refusal(
            run.opened, f"the repo {read.repo_name!r} is called {standing.name!r} now, and the function names it"
        )
    live_bundle(view.logs.repo(read.repo), standing, read.bundle)
    return read.repo


def _done_again(store: Store, request: ReplayRequest, folder: Path, installed: Installed) -> Answer:
    root = folder / "code"
    opened = installed.run(moved(request.run.opened, root))
    variables = {**request.program.variables, **_recorded_variables(store, request.run)}
    variables.pop(PARENT_VARIABLE, None)
    words = installed.program(request.program.words) if opened.how == "decorator" else request.program.words
    program = Program(words, installed.variables(variables), root / opened.cwd)
    orders = folder / "orders"
    orders.mkdir()
    children = Children(program, orders)
    with children.asked_to_stop() as asked:
        child = children.start(opened, {VIEW_VARIABLE: str(folder / "view")}, root=root)
        while child not in children.next_ended():
            pass
        answer = child.ended()
    if asked:
        if asked[0] != signal.SIGINT:
            signal.raise_signal(asked[0])
        raise KeyboardInterrupt
    return answer


def _recorded_variables(store: Store, run: Run) -> dict[str, str]:
    """The environment variables that were recorded of the run, save those in which a secret was masked."""
    try:
        environment = environment_of(store, run)
    except NotFound:
        return {}
    return {} if environment is None else {n: v for n, v in environment.variables.items() if MASK not in v}


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: Verdict
    outputs: tuple[ReplayedOutput, ...]
    error: str | None
    environment: str | None


def _judge(view: Store, run: Run, answer: Answer) -> _Judged:
    if answer.run is None:
        return _Judged("failed", (), answer.error or "it did not begin", None)
    again = find_run(view, answer.run)
    outputs = compared(view, run, again)
    verdict, error = verdict_on(run, again, outputs)
    return _Judged(verdict, outputs, error, again.opened.environment)


def _record(store: Store, view: Store, request: ReplayRequest, judged: _Judged, how: tuple[int, bool]) -> Replay:
    began_ns, whole = how
    if judged.environment is not None:
        key = layout.environment(judged.environment)
        with suppress(NotFound):
            store.metadata.put_if_absent(key, view.metadata.get(key))
    ended_ns = store.clock()
    told = Replay(
        event=new_ksuid(ended_ns),
        started_ns=began_ns,
        ended_ns=ended_ns,
        verdict=judged.verdict,
        outputs=judged.outputs,
        error=judged.error,
        environment=judged.environment,
        packages=request.packages,
        whole=whole,
        host=capture_host().name,
        author=store.author,
    )
    fields = {"event": told.event, "time": ended_ns, "run": request.run.id, "replay": told.to_record()}
    store.journal.append(stamped(RUN_REPLAYED, fields))
    return told
