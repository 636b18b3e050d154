"""A bundle mounted to be changed: served, committed when it is asked for and when it ends, and taken up again after a kill."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.errors import NotFound
from datamon.store.bundle import Bundle, Repo
from datamon.store.entries import NO_CONTENT, TreeEntry
from datamon.store.mount.answering import Tell
from datamon.store.mount.kernel import check_directory, show_work
from datamon.store.mount.work.commit import Committed, WorkRequest, commit_work
from datamon.store.mount.work.operations import WorkOperations
from datamon.store.mount.work.place import Work, drop_work, left_work, new_work
from datamon.store.mount.work.work_tree import WorkTree
from datamon.store.opening import Store
from datamon.store.refs import live_bundle
from datamon.store.repos import list_repos
from datamon.store.serving.decoded_chunks import DecodedChunks
from datamon.store.serving.served_tree import Accessed, ServedTree


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told: why a program was refused, that the mount can be used, of each commit, that work is left behind which is not
    committed, and what is read of the bundle that the work began as."""

    tell: Tell
    ready: Callable[[], object]
    committed: Callable[[Committed], object]
    left: Callable[[], object]
    accessed: Accessed | None = None


def serve_work(store: Store, repo: Repo, work: Work, decoded: DecodedChunks, listener: Listener) -> None:
    """The work is mounted at its directory until it is unmounted or a signal ends it, and then committed. What is not committed,
    because this process was killed or the commit failed, stays on this disk under the work's id; where nothing was done, nothing
    stays.

    Raises as `kernel.show` and `commit_work`."""
    directory = Path(work.directory)
    check_directory(directory)
    with new_work(store, work) as place:
        tree, ours = _opened(store, repo, work, decoded, place, listener.accessed)

        def commit(message: str) -> str:
            done = commit_work(store, ours, replace(_request(repo, work), message=message or work.message))
            listener.committed(done)
            return done.bundle.id if done.bundle is not None else ""

        try:
            operations = WorkOperations(ours, tree, tell=listener.tell, ready=listener.ready, commit=commit)
            show_work(operations, directory, f"datamon:{repo.name}@{work.branch}")
            listener.committed(commit_work(store, ours, _request(repo, work)))
        except BaseException:
            if ours.is_changed:
                listener.left()
            else:
                drop_work(place)
            raise
        finally:
            ours.close()
        drop_work(place)


def recover_work(store: Store, identity: str, decoded: DecodedChunks) -> tuple[Work, Committed]:
    """What a killed process left behind is committed, and no longer left. Raises as `left_work` and `commit_work`, and NotFound
    (`repo-not-found`)."""
    with left_work(store, identity) as (work, place):
        repo = _repo(store, work)
        _, ours = _opened(store, repo, work, decoded, place)
        try:
            done = commit_work(store, ours, _request(repo, work))
        finally:
            ours.close()
        drop_work(place)
        return work, done


def _repo(store: Store, work: Work) -> Repo:
    found = next((repo for repo in list_repos(store) if repo.id == work.repo), None)
    if found is None:
        message = (
            f"the repo of the work {work.id} was deleted; what was done lies below {work.id} in this machine's folder"
        )
        raise NotFound("repo-not-found", message, repo=work.repo)
    return found


def _opened(
    store: Store, repo: Repo, work: Work, decoded: DecodedChunks, place: Path, accessed: Accessed | None = None
) -> tuple[ServedTree | None, WorkTree]:
    base: Bundle | None = None
    if work.base is not None and not work.empty:
        base = live_bundle(store.logs.repo(repo.id), repo, work.base)
    tree = None if base is None else ServedTree(store, base, decoded, accessed)
    made_ns = store.clock() if base is None else base.time_ns
    return tree, WorkTree(place, tree, TreeEntry("", "dir", 0, NO_CONTENT, None, None, False, 0o755, made_ns))


def _request(repo: Repo, work: Work) -> WorkRequest:
    return WorkRequest(repo, work.base, work.branch, work.message, work.label)
