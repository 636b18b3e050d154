"""Whether what came out of a replay is what the run had, bit by bit."""

from datamon.errors import DatamonError
from datamon.lineage.records import OutputRecord, Run
from datamon.lineage.replays import ReplayedOutput, Verdict
from datamon.store.diff import Change, diff_bundles
from datamon.store.opening import Store

_Place = tuple[str, str, str]


def compared(view: Store, run: Run, again: Run) -> tuple[ReplayedOutput, ...]:
    """Each output of the run, and those that only the replay has, with the first path in which they are unlike."""
    new = {_place(each): each for each in again.outputs}
    old = {_place(each): each for each in run.outputs}
    found = [_compared(view, each, new.get(place)) for place, each in old.items()]
    more = [
        ReplayedOutput(each.role, each.repo, each.repo_name, each.branch, "differed", None, "added", None, each.content)
        for place, each in new.items()
        if place not in old
    ]
    return (*found, *more)


def verdict_on(run: Run, again: Run, outputs: tuple[ReplayedOutput, ...]) -> tuple[Verdict, str | None]:
    """What to say of the whole, and how the replay ended where it ended otherwise."""
    was, now = _ending(run), _ending(again)
    if was != now:
        return "failed", f"it ended with {now}, the run with {was}"
    return ("matched" if all(each.verdict == "matched" for each in outputs) else "differed"), None


def _ending(run: Run) -> str:
    closed = run.closed
    if closed is None:
        return "nothing: it was stopped"
    if closed.exit_code is not None:
        return f"exit code {closed.exit_code}"
    return closed.error or closed.signal or closed.status


def _place(output: OutputRecord) -> _Place:
    return output.role, output.repo, output.branch


def _compared(view: Store, old: OutputRecord, new: OutputRecord | None) -> ReplayedOutput:
    same = (old.role, old.repo, old.repo_name, old.branch)
    if new is None:
        return ReplayedOutput(*same, "missing", old=old.content)
    if new.content == old.content:
        return ReplayedOutput(*same, "matched", old=old.content, new=new.content)
    first = _first_change(view, old, new)
    if first is None:
        return ReplayedOutput(*same, "differed", old=old.content, new=new.content)
    was, now = (holding.content if holding else None for holding in (first.old, first.new))
    return ReplayedOutput(*same, "differed", first.path, first.change, was, now)


def _first_change(view: Store, old: OutputRecord, new: OutputRecord) -> Change | None:
    """None where what the run wrote was deleted since."""
    bundles = view.logs.repo(old.repo).bundles
    try:
        return next(diff_bundles(view, bundles[old.bundle], bundles[new.bundle]), None)
    except (DatamonError, KeyError):
        return None
