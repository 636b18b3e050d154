"""Lets the events of a random history happen in a store."""

from datamon.errors import Conflict, NotFound
from datamon.lineage.records import Param, Status
from datamon.query.testing.random_histories import Event, Label, Run, Unlabel, Upload
from datamon.query.testing.worlds import Did, Doing, World
from datamon.store.bundle import Bundle
from datamon.store.refs import delete_label, set_label


def play(world: World, event: Event) -> Bundle | Did | str | None:
    """Lets one event happen where it can: what was committed, or run, or the id of the bundle that a label was set to (and "" for
    a deleted one); None when it could not happen."""
    match event:
        case Upload():
            return world.upload(event.repo, event.files)
        case Label():
            return _set(world, event)
        case Unlabel():
            return _delete(world, event)
        case Run():
            return _run(world, event)


def _set(world: World, event: Label) -> str | None:
    repo = world.repo(event.repo)
    refs = world.store.logs.repo(repo.id).refs
    standing = refs.get(event.name)
    if "main" not in refs or (standing is not None and standing.frozen):
        return None
    set_label(world.store, repo, event.name, refs["main"].bundle, frozen=event.frozen)
    return refs["main"].bundle


def _delete(world: World, event: Unlabel) -> str | None:
    try:
        delete_label(world.store, world.repo(event.repo), event.name)
    except (NotFound, Conflict):
        return None
    return ""


def _run(world: World, event: Run) -> Did:
    reads = tuple(text for read in event.reads if (text := _readable(world, *read)))
    status: Status = "failed" if event.fails else "succeeded"
    params = (Param("p", event.param),)
    return world.run(Doing(event.step, reads, event.writes, status, fingerprint=event.fingerprint, params=params))


def _readable(world: World, repo: str, ref: str, path: str) -> str | None:
    """The reference, when it means something now."""
    head = world.store.logs.repo(world.repo(repo).id).refs.get("main")
    if head is None:
        return None
    text = f"{repo}@{head.bundle if ref == 'id' else ref}" + (f":{path}" if path else "")
    try:
        world.read(text)
    except NotFound:
        return None
    return text
