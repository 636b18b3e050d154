"""Import of a store of the first datamon: repos, bundles with their ids, labels with their history, every byte verified."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from datamon.errors import Corrupt, Invalid, NotFound
from datamon.store.backend.foreign import Foreign
from datamon.store.bundle import Move, Repo
from datamon.store.check.findings import Finding
from datamon.store.legacy import layout
from datamon.store.legacy.bundles import Taker, fault_of
from datamon.store.legacy.contents import Contents
from datamon.store.legacy.findings import left_out, refused, told
from datamon.store.legacy.labels import read_labels, take_label
from datamon.store.legacy.read_ahead import Readers
from datamon.store.legacy.records import NOBODY, LegacyBundle, LegacyRepo, read_repo
from datamon.store.legacy.shelf import Listed, Shelf
from datamon.store.legacy.sources import LegacyStore
from datamon.store.names import DEFAULT_BRANCH, check_name
from datamon.store.opening import Store
from datamon.store.origin import Origin
from datamon.store.progress import SILENT, Progress
from datamon.store.refs import move_refs
from datamon.store.repos import create_repo


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Which `repos` of the old store are wanted (none named: all); a `dry_run` reads records and file lists, no contents, and
    writes nothing."""

    repos: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass
class Tally:
    """What an import took over, or would: `bundles` with their `files` and bytes, and `moves` of labels; `here` are bundles that
    were there already, `left_out` those that could not come."""

    repos: int = 0
    bundles: int = 0
    files: int = 0
    size_bytes: int = 0
    moves: int = 0
    here: int = 0
    left_out: int = 0


def import_legacy(
    store: Store, old: LegacyStore, request: ImportRequest, *, progress: Progress = SILENT
) -> Generator[Finding, None, Tally]:
    """The old store's repos, bundles and labels are in ours; what was there before is neither read again nor changed, so an
    import that was cut short goes on where it stopped. What is damaged or cannot be kept is told, and everything else comes: a
    bundle whole or not at all. Each bundle is durable when the next one begins.

    Raises NotFound (`repo-not-found` for a wanted repo that the old store does not have), Denied, Unavailable.
    """
    readers = Readers(is_far=old.is_far)
    try:
        contents = Contents(old.blob, readers, progress)
        importing = _Importing(store, old, request, readers, contents, progress, Tally())
        parts = layout.lists_in(_bundle_names(old.metadata, request.repos))
        for repo in _chosen(old.metadata, request.repos, parts):
            yield from importing.repo(repo, parts.get(repo, {}))
        return importing.tally
    finally:
        readers.stop()


def _bundle_names(metadata: Foreign, repos: Sequence[str]) -> Iterator[str]:
    for prefix in map(layout.bundles, dict.fromkeys(repos)) if repos else [layout.BUNDLES]:
        yield from metadata.names(prefix)


def _chosen(metadata: Foreign, wanted: Sequence[str], parts: Mapping[str, object]) -> list[str]:
    """The repos to look at, in order. Raises NotFound (`repo-not-found`)."""
    known = set(layout.repos_in(metadata.names(layout.REPOS))) | parts.keys()
    for repo in wanted:
        if repo not in known:
            shown = ", ".join(sorted(known)[:20]) or "none"
            raise NotFound("repo-not-found", f"{metadata.url} has no repo {repo!r}; it has {shown}", repo=repo)
    return sorted(known & set(wanted) if wanted else known)


@dataclass(frozen=True, slots=True)
class _Importing:
    """One import under way."""

    store: Store
    old: LegacyStore
    request: ImportRequest
    readers: Readers
    contents: Contents
    progress: Progress
    tally: Tally
    names: set[str] = field(default_factory=set)

    def repo(self, name: str, parts: Mapping[str, set[int]]) -> Generator[Finding, None, None]:
        """One repo with all that belongs to it."""
        shelf = Shelf(self.old.metadata, self.readers, name, parts)
        record = yield from self._record(name, shelf)
        if record is None:
            return
        yield from self._unfinished(shelf)
        bundles = yield from self._bundles(shelf)
        repo = self._repo_here(name, record, bundles)
        taker = Taker(self.store, repo, self.contents) if repo else None
        yield from self._take(shelf, taker, bundles)
        yield from self._labels(name, repo)
        if repo is not None and not self.request.dry_run:
            _move_default(self.store, repo)
        self.tally.repos += 1

    def _record(self, name: str, shelf: Shelf) -> Generator[Finding, None, LegacyRepo | None]:
        """The repo's record, with nothing said where it cannot be read; None for a repo that is left out."""
        key = layout.repo_record(name)
        try:
            taken = check_name("repo", name)
            if taken in self.names:
                raise Invalid("bad-name", f"another repo is written like {name!r}", kind="repo", name=name)
        except Invalid as error:
            yield refused("bad-name", f"{error.message}; rename it with the first datamon", name, key=key)
            return None
        self.names.add(taken)
        try:
            return read_repo(shelf.metadata.read(key), name, shelf.where(key))
        except Corrupt as error:
            yield left_out(error, name, None, f"the description of the repo {name!r}")
        except NotFound:
            if name not in self.request.repos:
                message = (
                    f"bundles of a repo {name!r} are there, but not its record {shelf.where(key)}, as when it was half "
                    f"deleted or renamed; import it with --repo {name} if it is wanted"
                )
                yield refused("missing-bytes", message, name, key=key)
                return None
        return LegacyRepo("", NOBODY, None)

    def _unfinished(self, shelf: Shelf) -> Iterator[Finding]:
        """What was begun in the old store and never ended."""
        for bundle in shelf.unfinished():
            message = f"the upload {bundle} to {shelf.repo!r} never ended and has no record; upload its files again if need be"
            yield told("upload-unfinished", message, shelf.repo, bundle, layout.bundle_record(shelf.repo, bundle))
        names = self.old.vmetadata.names(layout.diamonds(shelf.repo))
        for diamond, splits in sorted(layout.open_diamonds_in(names).items()):
            message = (
                f"the diamond {diamond} of {shelf.repo!r} ({splits} splits) was not committed; commit it where it is"
            )
            yield told("session-unfinished", message, shelf.repo, key=f"{layout.diamonds(shelf.repo)}{diamond}")

    def _bundles(self, shelf: Shelf) -> Generator[Finding, None, list[LegacyBundle]]:
        """The bundles whose records are whole, in the order of their times."""
        found = []
        for identity, bundle in shelf.bundles():
            if isinstance(bundle, Corrupt):
                yield self._left_out(bundle, shelf.repo, identity)
            else:
                found.append(bundle)
        return sorted(found, key=lambda bundle: (bundle.time_ns, bundle.id))

    def _repo_here(self, name: str, record: LegacyRepo, bundles: Sequence[LegacyBundle]) -> Repo | None:
        """Our repo of that name, made if absent; None when a try-out has none."""
        known = self.store.logs.store().names.get(check_name("repo", name))
        if known is not None or self.request.dry_run:
            return known
        first_ns = bundles[0].time_ns if bundles else self.store.clock()
        origin = Origin(record.author, first_ns if record.time_ns is None else record.time_ns)
        return create_repo(self.store, name, record.description, origin)

    def _take(
        self, shelf: Shelf, taker: Taker | None, bundles: Sequence[LegacyBundle]
    ) -> Generator[Finding, None, None]:
        survey = yield from self._survey(shelf, taker, bundles)
        if self.request.dry_run or taker is None:
            self._count(len(survey.wanted), survey.files, survey.size_bytes)
            return
        self.progress.begin(f"import {shelf.repo}", survey.files, survey.size_bytes)
        for bundle, listed in zip(survey.read, shelf.listed(survey.read), strict=True):
            if not isinstance(listed, Listed):  # it could be read a moment ago
                yield self._left_out(listed, shelf.repo, bundle.id)
            elif bundle.id not in survey.wanted:
                taker.pass_by(listed)
            else:
                outcome = yield from taker.take(listed)
                self.tally.here += outcome == "here"
                self.tally.left_out += outcome == "left out"
                if outcome == "taken":
                    self._count(1, len(listed.placed), _size(listed))
        self.progress.end()

    def _survey(
        self, shelf: Shelf, taker: Taker | None, bundles: Sequence[LegacyBundle]
    ) -> Generator[Finding, None, "_Survey"]:
        survey = _Survey()
        before: list[LegacyBundle] = []
        self.progress.begin(f"lists of {shelf.repo}", len(bundles), None)
        for bundle, listed in zip(bundles, shelf.listed(bundles), strict=True):
            self.progress.advance(1, 0)
            if not isinstance(listed, Listed):
                yield self._left_out(listed, shelf.repo, bundle.id)
                continue
            standing = taker.standing(listed) if taker is not None else "absent"
            if standing in ("absent", "unproven"):
                survey.add(before, listed)
                before = []
                yield from _short(shelf, listed)
            elif taker is not None:
                yield from taker.met(listed, standing)
                before = [bundle] if standing == "here" else before
                self.tally.here += standing == "here"
                self.tally.left_out += standing == "other"
        self.progress.end()
        return survey

    def _labels(self, name: str, repo: Repo | None) -> Generator[Finding, None, None]:
        for history in read_labels(self.old.vmetadata, self.readers, name, self.store.author):
            if isinstance(history, Finding):
                yield history
            elif repo is not None and not self.request.dry_run:
                self.tally.moves += yield from take_label(self.store, repo, history)
            else:
                self.tally.moves += len(history.steps)

    def _left_out(self, error: Corrupt | Invalid, repo: str, bundle: str) -> Finding:
        self.tally.left_out += 1
        return fault_of(error, repo, bundle)

    def _count(self, bundles: int, files: int, size_bytes: int) -> None:
        self.tally.bundles += bundles
        self.tally.files += files
        self.tally.size_bytes += size_bytes


@dataclass
class _Survey:
    """What is to be taken of a repo, `wanted` by id, with how many files and bytes; and what is to be `read` for that, in order:
    before a bundle that is wanted the one that is here already and that it follows."""

    read: list[LegacyBundle] = field(default_factory=list)
    wanted: set[str] = field(default_factory=set)
    files: int = 0
    size_bytes: int = 0

    def add(self, before: Sequence[LegacyBundle], listed: Listed) -> None:
        """This bundle is wanted."""
        self.read += [*before, listed.bundle]
        self.wanted.add(listed.bundle.id)
        self.files += len(listed.placed)
        self.size_bytes += _size(listed)


def _move_default(store: Store, repo: Repo) -> None:
    """The branch that stands for the newest bundle points at the newest that was taken over, unless somebody here has gone on
    with it."""
    state = store.logs.repo(repo.id)
    taken = {b.id: b for entry in state.entries if entry.original_ns is not None for b in entry.bundles}
    live = [bundle for bundle in taken.values() if bundle.id not in state.deleted]
    head = state.refs.get(DEFAULT_BRANCH)
    if not live or (head is not None and (head.kind != "branch" or head.bundle not in taken)):
        return
    newest = max(live, key=lambda bundle: bundle.time_ns)
    old = head.bundle if head is not None else None
    if old is None or taken[old].time_ns < newest.time_ns:
        move_refs(store, repo, [Move(DEFAULT_BRANCH, "branch", old, newest.id)], None)


def _short(shelf: Shelf, listed: Listed) -> Iterator[Finding]:
    for number in listed.short:
        key = layout.file_list(shelf.repo, listed.bundle.id, number)
        message = (
            f"{shelf.where(key)} has not the 1,000 files that the first datamon put there: it deleted files from it, and could "
            "not read the bundle any more; what is listed is imported"
        )
        yield told("list-short", message, shelf.repo, listed.bundle.id, key)


def _size(listed: Listed) -> int:
    return sum(each.file.size_bytes for each in listed.placed)
