"""Outputs that a run wrote by path: committed when it has ended well, before its close says so."""

from collections.abc import Sequence

from datamon.errors import Invalid
from datamon.lineage.records import OutputRecord, RunOpened
from datamon.store.opening import Store
from datamon.store.paths.staged import Staged


def commit_written(store: Store, opened: RunOpened, staged: Staged, others: Sequence[OutputRecord]) -> OutputRecord:
    """What the run wrote to a branch is a bundle on the branch's head when this returns; no ref points at it yet. `others` are
    the outputs that were committed before. Raises as `commit_staged`, and Invalid (`bad-argument`) when one of them is to the
    same branch."""
    from datamon.store.paths.commit_staged import Purpose, commit_staged  # brings pyarrow

    repo = staged.repo
    same = [each for each in others if each.repo == repo.id]
    if any(each.branch == staged.branch for each in same):
        message = f"the run wrote {repo.name}@{staged.branch} both as a directory and by path; write it in one way"
        raise Invalid("bad-argument", message, argument=f"{repo.name}@{staged.branch}")
    taken = {each.role for each in others} | {each.role for each in opened.outputs}
    role = repo.name if repo.name not in taken else f"{repo.name}@{staged.branch}"
    message = f"{role} of {opened.pipeline}/{opened.step}, run {opened.id}"
    bundle = commit_staged(store, staged, Purpose(message, opened.id, role))
    return OutputRecord(role, repo.id, repo.name, staged.branch, bundle.id, bundle.content)
