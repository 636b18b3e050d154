"""The store's nouns as rows, with the field names of the query relations, and as the plain lines people know."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from datamon.cli.output import Listing, Row
from datamon.store.bundle import Bundle, CopiedFrom, Entry, Move, Ref, RefKind, Repo
from datamon.store.clock import timestamp
from datamon.store.ids import BundleId, RepoId
from datamon.store.log import RepoState
from datamon.store.sizes import RepoSizes
from datamon.store.tombstones import positions

REPO_COLUMNS = ("id", "name", "description", "author", "email", "created")
SIZE_COLUMNS = ("bundles", "entries", "bytes", "distinct_bytes", "stored_bytes")
REPLACED_COLUMNS = ("repo", "bundle", "replaced_by", "time", "message")
BUNDLE_COLUMNS = (
    "id",
    "repo",
    "position",
    "content",
    "manifest",
    "parents",
    "author",
    "email",
    "time",
    "message",
    "entries",
    "bytes",
    "run",
    "role",
)
LABEL_COLUMNS = ("repo", "name", "bundle", "content", "frozen", "author", "time")
BRANCH_COLUMNS = ("repo", "name", "bundle", "content", "author", "time")
HISTORY_COLUMNS = ("repo", "ref", "kind", "position", "old", "new", "frozen", "author", "email", "time", "run")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_ns: int) -> datetime:
    """`time_ns` to the microsecond, in UTC.

    >>> moment(1_700_000_000_123_456_789).isoformat()
    '2023-11-14T22:13:20.123456+00:00'
    """
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def repo_listing(repos: list[Repo]) -> Listing:
    """Repos; a line is `name , description , author , email , time`."""
    lines = {repo.id: _repo_line(repo) for repo in repos}
    return Listing(REPO_COLUMNS, map(_repo_row, repos), lambda row: lines[RepoId(str(row[0]))])


def sized_repo_listing(repos: Iterable[tuple[Repo, RepoSizes]]) -> Listing:
    """Repos with their sizes, as these come; a line goes on with `… bundles , … entries , … bytes , … distinct , … stored`."""
    lines: dict[object, str] = {}

    def rows() -> Iterator[Row]:
        for repo, sizes in repos:
            counts = (
                sizes.bundles,
                sizes.entries,
                sizes.logical_bytes,
                sizes.distinct_bytes,
                sizes.stored_bytes,
            )
            words = ("bundles", "entries", "bytes", "distinct", "stored")
            said = " , ".join(f"{count} {word}" for count, word in zip(counts, words, strict=True))
            lines[repo.id] = f"{_repo_line(repo)} , {said}"
            yield (*_repo_row(repo), *counts)

    return Listing((*REPO_COLUMNS, *SIZE_COLUMNS), rows(), lambda row: lines[row[0]])


def _repo_row(repo: Repo) -> Row:
    return (repo.id, repo.name, repo.description, repo.author.name, repo.author.email, moment(repo.created_ns))


def _repo_line(repo: Repo) -> str:
    created = timestamp(repo.created_ns)
    return f"{repo.name} , {repo.description} , {repo.author.name} , {repo.author.email} , {created}"


def replaced_listing(repo: Repo, pairs: Iterable[tuple[Bundle, Bundle | None]]) -> Listing:
    """Bundles with those that stand in for them (None: not yet); a line is `id , id of the new one , message`."""
    rows = [(repo.name, old.id, new.id if new else None, moment(old.time_ns), old.message) for old, new in pairs]
    return Listing(REPLACED_COLUMNS, rows, lambda row: f"{row[1]} , {row[2] or ''} , {row[4]}")


def bundle_listing(repo: Repo, state: RepoState, bundles: list[Bundle]) -> Listing:
    """Bundles of one repo; a line is `id , time , message`."""
    places = positions(state)
    rows = [bundle_row(repo, bundle, places[bundle.id]) for bundle in bundles]
    lines = {b.id: f"{b.id} , {timestamp(b.time_ns)} , {b.message}" for b in bundles}
    return Listing(BUNDLE_COLUMNS, rows, lambda row: lines[BundleId(str(row[0]))])


def told_bundle_listing(repo: Repo, state: RepoState, bundle: Bundle) -> Listing:
    """One bundle with what it is a copy of; after its line comes one for each of those, the nearest first."""
    own = bundle_listing(repo, state, [bundle])
    records = [_original_record(original) for original in bundle.copied_from]
    rows = [(*bundle_row(repo, bundle, positions(state)[bundle.id]), records)]
    return Listing(
        (*BUNDLE_COLUMNS, "from"), rows, own.line, [_original_line(original) for original in bundle.copied_from]
    )


def _original_record(original: CopiedFrom) -> dict[str, object]:
    return {
        "store": original.store,
        "repo": original.repo_name,
        "bundle": original.bundle,
        "author": original.author.name,
        "email": original.author.email,
        "time": moment(original.time_ns),
        "run": original.run,
    }


def _original_line(original: CopiedFrom) -> str:
    run = f" , run {original.run}" if original.run else ""
    when = timestamp(original.time_ns)
    return (
        f"from {original.repo_name}@{original.bundle} , {when} , {original.author.name} , store {original.store}{run}"
    )


def bundle_row(repo: Repo, bundle: Bundle, position: int) -> tuple[object, ...]:
    """One bundle in the order of `BUNDLE_COLUMNS`."""
    return (
        bundle.id,
        repo.name,
        position,
        bundle.content,
        bundle.manifest,
        list(bundle.parents),
        bundle.author.name,
        bundle.author.email,
        moment(bundle.time_ns),
        bundle.message,
        bundle.entries,
        bundle.size_bytes,
        bundle.run,
        bundle.role,
    )


def ref_listing(repo: Repo, state: RepoState, kind: RefKind, refs: list[Ref]) -> Listing:
    """Labels or branches of one repo; a line is `name , bundle , time`."""
    lines = {ref.name: f"{ref.name} , {ref.bundle} , {timestamp(ref.time_ns)}" for ref in refs}
    labels = kind == "label"
    rows = []
    for ref in refs:
        content = state.bundles[ref.bundle].content
        frozen = (ref.frozen,) if labels else ()
        rows.append((repo.name, ref.name, ref.bundle, content, *frozen, ref.author.name, moment(ref.time_ns)))
    return Listing(LABEL_COLUMNS if labels else BRANCH_COLUMNS, rows, lambda row: lines[str(row[1])])


def history_listing(repo: Repo, moves: list[tuple[Entry, Move]]) -> Listing:
    """A ref's moves, oldest first; a line is `name , bundle , time`, with `deleted` where it was taken away."""
    rows = []
    lines = {}
    for entry, move in moves:
        when, who = moment(entry.made_ns), entry.author
        rows.append(
            (
                repo.name,
                move.ref,
                move.ref_kind,
                entry.number,
                move.old,
                move.new,
                move.frozen,
                who.name,
                who.email,
                when,
                entry.run,
            )
        )
        lines[entry.number] = f"{move.ref} , {move.new or 'deleted'} , {timestamp(entry.made_ns)}"
    return Listing(HISTORY_COLUMNS, rows, lambda row: lines[int(str(row[3]))])
