"""Update: a directory is brought to a bundle by changing only what differs; edits go only when a person says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datamon.errors import Conflict
from datamon.store.bringing import Bringing, change, fill_empty
from datamon.store.bundle import Bundle
from datamon.store.checkout import check_unedited
from datamon.store.edits import inspect, known_from_ns
from datamon.store.entries import TreeEntry, printable
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.restorable import restorable_part
from datamon.store.restore import made_directory
from datamon.store.walk import scan_top
from datamon.store.work import additions_kept, work_to_do
from datamon.store.worktree import Source, Worktree, only_one, read_note

_LISTED = 10


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """What an update is to do. `pattern` is a name filter (see `name_filter`), None the one by which the directory was filled;
    with `giving_up_edits` the bundle takes the place of what was edited."""

    bundle: Bundle
    directory: Path
    pattern: str | None = None
    giving_up_edits: bool = False


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did: how many files and symlinks it wrote and removed, the edits that were given up, and the additions that
    it left where they are."""

    written: int
    removed: int
    given_up: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def update(store: Store, request: UpdateRequest, *, progress: Progress = SILENT) -> Updated:
    """The bundle's tree stands in the directory, whatever datamon put there before, a download that was cut short included; of a
    directory that holds a part of a bundle, the same part. An absent or empty directory is filled. Only what differs is written,
    each file at once. A directory that datamon did not fill is taken over when nothing in it is otherwise than in the bundle.

    With `giving_up_edits` what was edited or deleted is as in the bundle afterwards; what was added stays where the bundle has
    nothing in its place. When it is cut short, the next update (to any bundle) goes on from there.

    Raises Conflict (`local-edits`, which lists up to ten; `destination-not-empty`; `directory-in-use`), and as `download` does.
    A directory that was empty is empty again after a failure.
    """
    with only_one(store, request.directory), made_directory(request.directory) as tree:
        note = read_note(store, request.directory)
        target = _target(request, note)
        entries = restorable_part(store, request.bundle, target)
        bringing = Bringing(store, request.bundle, request.directory, tree, target, progress)
        if not scan_top(tree):
            fill_empty(bringing, note or Worktree(), entries)
            return Updated(written=entries.files, removed=0)
        if note is None:
            return _take_over(bringing, list(entries))
        return _update(bringing, note, list(entries), giving_up=request.giving_up_edits)


def _target(request: UpdateRequest, note: Worktree | None) -> Source:
    before = None
    if note is not None:
        before = note.begun[-1] if note.partial and note.begun else note.done
    part, pattern = ("", "") if before is None else (before.part, before.pattern)
    return Source(request.bundle.manifest, part, pattern if request.pattern is None else request.pattern)


def _update(bringing: Bringing, note: Worktree, entries: Sequence[TreeEntry], *, giving_up: bool = False) -> Updated:
    began_ns = known_from_ns(bringing.tree)
    inspection = inspect(bringing.store, bringing.tree, note, bringing.target)
    if not giving_up:
        check_unedited(inspection, bringing.directory, "update again, giving the edits up (--force)")
    kept = additions_kept(inspection, entries)
    work = work_to_do(inspection, entries, kept)
    if work.is_nothing:
        bringing.finished(note, began_ns)
    else:
        change(bringing, note, inspection, work)
    shown = {printable(path) for path in kept}
    given_up = tuple(path for path in inspection.edits if path not in shown)
    return Updated(_files(work.made), len(work.files_gone), given_up, tuple(sorted(shown)))


def _take_over(bringing: Bringing, entries: Sequence[TreeEntry]) -> Updated:
    """As if an update to the target had been begun here: then what is as in the target is its, and all else a person's."""
    note = Worktree(partial=True, begun=(bringing.target,))
    strange = inspect(bringing.store, bringing.tree, note).edits
    if not strange:
        return _update(bringing, note, entries)
    shown = bringing.tree.shown("")
    listed = ", ".join(repr(path) for path in strange[:_LISTED])
    more = f" and {len(strange) - _LISTED} more" if len(strange) > _LISTED else ""
    message = f"{shown!r} was not filled by datamon and holds what the bundle does not: {listed}{more}; name another directory"
    raise Conflict("destination-not-empty", message, path=shown, edits=list(strange))


def _files(entries: Sequence[TreeEntry]) -> int:
    return sum(entry.kind != "dir" for entry in entries)
