"""References to code: revisions of the git repository that the question is asked in."""

import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

from datamon.lineage.capture.git import check_out, commits_of, find_top
from datamon.lineage.records import RunOpened
from datamon.lineage.working_tree import WorkingTree, look
from datamon.query.asking import Asking
from datamon.query.language.faults import fault
from datamon.query.language.statement import Ref

_FORM = "expected a revision of this git repository as 'git:REV' or 'git:REV..REV'"


def commits_between(asking: Asking, ref: Ref, typed: str, recorded: Collection[str]) -> frozenset[str]:
    """Those of the `recorded` commits that 'git:REV' or 'git:REV..REV' means. A commit that was recorded needs no repository
    to be named by its first characters. Raises Invalid (`bad-reference`), pointing at the reference."""
    revision = _revision(asking, ref, typed)
    by_start = {commit for commit in recorded if len(revision) >= 4 and commit.startswith(revision)}
    if by_start:
        return frozenset(by_start)
    top = find_top(asking.place.cwd) if asking.place.cwd else None
    commits = commits_of(top, revision) if top else []
    if not commits:
        raise _unknown(asking, ref, revision, top)
    return frozenset(commits) & frozenset(recorded)


def changed_code(asking: Asking, ref: Ref, typed: str, runs: Iterable[RunOpened]) -> frozenset[str]:
    """Those of the runs whose steps have another fingerprint at the second revision of 'git:REV..REV' than at the first; of
    'git:REV' another than was recorded. Runs of other repositories are not among them. Raises Invalid (`bad-reference`), pointing
    at the reference, also where the question is asked in no repository."""
    revision = _revision(asking, ref, typed)
    cwd = asking.place.cwd
    top = find_top(cwd) if cwd else None
    if top is None:
        raise _unknown(asking, ref, revision, top)
    old, dots, new = revision.partition("..")
    ours = list(runs)
    then = (
        _code_at(asking, ref, top, new.lstrip(".") or "HEAD", ours)
        if dots
        else _code_at(asking, ref, top, revision, ours)
    )
    before = (
        _code_at(asking, ref, top, old or "HEAD", ours)
        if dots
        else {run.id: run.code.fingerprint for run in ours if run.code.fingerprint}
    )
    return frozenset(run for run, was in before.items() if run in then and then[run] != was)


def _code_at(asking: Asking, ref: Ref, top: Path, revision: str, runs: Iterable[RunOpened]) -> dict[str, str | None]:
    commits = commits_of(top, revision)
    if len(commits) != 1:
        raise _unknown(asking, ref, revision, top)
    with tempfile.TemporaryDirectory(prefix="datamon-revision-") as directory:
        tree = Path(directory) / "tree"
        if not check_out(top, commits[0], tree):
            raise _unknown(asking, ref, revision, top)
        return look(WorkingTree(tree, asking.place.host, variables=asking.place.variables), runs).code


def _revision(asking: Asking, ref: Ref, typed: str) -> str:
    kind, colon, revision = typed.partition(":")
    if kind != "git" or not colon or not revision.strip():
        raise fault(asking.text, ref.span, _FORM, code="bad-reference")
    return revision.strip()


def _unknown(asking: Asking, ref: Ref, revision: str, top: Path | None) -> Exception:
    said = (
        f"there is no git repository here that could know {revision!r}; ask in the one that holds the code"
        if top is None
        else f"git knows no revision {revision!r} here"
    )
    return fault(asking.text, ref.span, said, code="bad-reference")
