"""Link: a bundle that names what lies elsewhere, beside what the head of its branch has."""

from collections.abc import Iterable
from dataclasses import dataclass

from datamon.errors import Conflict, Invalid, NotFound
from datamon.store.bundle import Bundle, Repo
from datamon.store.commit import CommitRequest, check_targets, commit_bundle
from datamon.store.entries import TreeEntry, clean_path, is_at_or_below
from datamon.store.external.bring import Bringing, Brought, bring_all
from datamon.store.external.gather import gather, with_directories
from datamon.store.external.hashing import hash_all
from datamon.store.external.notes import Notes
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.external.target import decode_target
from datamon.store.external.urls import Url, check_keepable, parse_url
from datamon.store.manifest import iter_entries, read_manifest, write_manifest
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.refs import find_ref, live_bundle
from datamon.store.repos import check_text, find_repo
from datamon.store.upload import ATTEMPTS


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What is to be linked, where to, and which refs point at it then. `path` is where it stands in the bundle: one thing has
    that path (`""`: its own name), several lie below it. With `copy` the bytes are brought in. `pattern` as for `gather`."""

    url: str
    repo: str
    message: str
    path: str = ""
    branch: str = DEFAULT_BRANCH
    label: str | None = None
    pattern: str = ""
    copy: bool = False


def link(store: Store, request: LinkRequest, *, progress: Progress = SILENT) -> Bundle:
    """A new bundle with what the branch's head has and, in its place where it has the same paths, an external entry for what lies
    at the URL, or for everything beneath it; what was linked from beneath it before, below the same path, and is gone there goes.
    Everything was read once, under the ETag or generation that is recorded, and hashed; or, with `copy`, is a file whose bytes
    are in the store. Branch and label point at the bundle, by one entry. When the branch moves meanwhile, its new head counts.

    Raises Invalid (`bad-path` when a directory of the head is in the way, or a file is where one is needed), Conflict
    (`ref-moved` when the branch moves again and again), and as `ingest` does.
    """
    repo = find_repo(store, request.repo)
    url = parse_url(request.url)
    if not request.copy:
        check_keepable(url)
    check_text("message", request.message)
    check_targets(store, repo, branch=request.branch, label=request.label)
    sources = Sources()
    progress.begin("list", None, None)
    listed = gather(sources, url, request.path, request.pattern)
    progress.end()
    linking = _Linking(store, repo, request, url, sources, Notes(store, url), progress)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _link(linking, listed)
        except Conflict as error:
            if error.code not in ("ref-moved", "condemned", "session-fenced") or attempt == ATTEMPTS:
                raise
            if error.code != "ref-moved":
                linking.notes.forget()
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class _Linking:
    store: Store
    repo: Repo
    request: LinkRequest
    url: Url
    sources: Sources
    notes: Notes
    progress: Progress


def _link(linking: _Linking, listed: list[Listed]) -> Bundle:
    store, repo, request = linking.store, linking.repo, linking.request
    head = _head(store, repo, request.branch)
    condemned = store.logs.store().condemned | store.logs.repo(repo.id).condemned
    linking.progress.begin("link", len(listed), sum(each.at.size_bytes or 0 for each in listed))
    if request.copy:
        brought = bring_all(Bringing(store, linking.sources, linking.notes, condemned, linking.progress), listed)
    else:
        brought = Brought(
            hash_all(linking.sources, listed, linking.notes, linking.store.hashing, linking.progress), None
        )
    linking.progress.end()
    standing = _standing(store, head, linking, listed)
    manifest = write_manifest(store.metadata, _merged(standing, brought.entries), condemned=condemned)
    asked = CommitRequest(
        manifest,
        request.message,
        brought.session,
        branch=request.branch,
        label=request.label,
        parents=() if head is None else (head.id,),
        only_onto_parents=True,
    )
    bundle = commit_bundle(store, repo, asked)
    linking.notes.finish()
    return bundle


def _head(store: Store, repo: Repo, branch: str) -> Bundle | None:
    try:
        ref = find_ref(store, repo, branch, "branch")
    except NotFound:
        return None
    return live_bundle(store.logs.repo(repo.id), repo, ref.bundle)


def _standing(store: Store, head: Bundle | None, linking: _Linking, listed: list[Listed]) -> list[TreeEntry]:
    """What the head has, without what was linked from here before and is not here any more."""
    if head is None:
        return []
    entries = list(iter_entries(store.metadata, read_manifest(store.metadata, head.manifest)))
    if linking.request.pattern:
        return entries
    found = {each.path for each in listed}
    top = clean_path(linking.request.path)
    return [
        entry
        for entry in entries
        if entry.path in found or not (is_at_or_below(entry.path, top) and _is_linked_from(entry, linking.url))
    ]


def _is_linked_from(entry: TreeEntry, url: Url) -> bool:
    return entry.kind == "external" and decode_target(entry).url.is_beneath(url)


def _merged(standing: Iterable[TreeEntry], linked: Iterable[TreeEntry]) -> list[TreeEntry]:
    """One tree of both. Raises Invalid (`bad-path`) when they form none."""
    merged = {entry.path: entry for entry in standing}
    for entry in with_directories(linked):
        there = merged.get(entry.path)
        if there is not None and (there.kind == "dir") != (entry.kind == "dir"):
            what = "a directory" if there.kind == "dir" else "a file"
            message = f"{entry.path!r} is {what} in the head of the branch; link to another path, or remove it first"
            raise Invalid("bad-path", message, path=entry.path)
        if there is None or entry.kind != "dir":
            merged[entry.path] = entry
    return list(merged.values())
