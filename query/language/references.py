"""From a reference as typed to the one immutable thing that it means now."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from datamon.errors import Corrupt, DatamonError, NotFound
from datamon.query.language.deleted import Deleted, deleted_versions, find_deleted
from datamon.query.language.faults import fault, hint, pointing
from datamon.query.language.statement import Ref
from datamon.query.values import Params, text_of
from datamon.store.bundle import Bundle, CopiedFrom, Repo
from datamon.store.ids import is_ksuid
from datamon.store.manifest import part_content, read_manifest
from datamon.store.opening import Store
from datamon.store.resolve import find_by_part, parse_reference, resolve

if TYPE_CHECKING:
    import duckdb  # only the types: quick answers do without the engine

DEFAULT_PIPELINE = "default"
LONGEST = 8_000
"""How many characters a reference has at most: a path's 4,096 bytes, and names."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference means: a bundle, or the part of it at `path`, or a run. `content` is that of the part.
    `held_by` is the ref (`repo@name`) through which a bundle was named, None for an id. `note` says it to a person. `copied_from`
    are what the bundle is a copy of; `versions` are the other deleted bundles that held the path, or may have: what they held is
    gone."""

    kind: Literal["bundle", "run"]
    id: str
    note: str
    repo: str = ""
    path: str = ""
    content: str = ""
    held_by: str | None = None
    copied_from: tuple[CopiedFrom, ...] = ()
    versions: tuple[str, ...] = ()


def is_of_run(ref: Ref) -> bool:
    """Whether the reference means a run, which the index knows."""
    return ref.form in ("run", "step")


def is_of_bundle(ref: Ref) -> bool:
    """Whether the reference means a bundle or a part of one; these are looked up in the store itself."""
    return ref.form in ("plain", "bundle", "file")


def bundle_target(store: Store, text: str, ref: Ref, params: Params, *, deleted: bool = False) -> Target:
    """The bundle or part that a plain, bundle or file reference means at this moment; with `deleted` also one that was deleted,
    by its id, and a path that a ref's bundle has no more, as the newest deleted bundle had it. Raises what `resolve` raises, and
    NotFound (`path-not-found`), pointing at the reference."""
    typed = _typed(text, ref, params)
    if is_ksuid(typed):
        said = f"an id alone names no repo; write 'REPO@{typed}' for a bundle, run '{typed}' for a run"
        raise fault(text, ref.span, said, code="bad-reference")
    try:
        return _bundle_target(store, ref, typed, deleted)
    except DatamonError as error:
        if "line" in error.facts:
            raise
        raise pointing(error, text, ref.span) from error


def _typed(text: str, ref: Ref, params: Params) -> str:
    typed = text_of(text, ref.value, params)
    if len(typed) > LONGEST:
        raise fault(text, ref.span, f"a reference has at most {LONGEST:,} characters", code="bad-reference")
    return typed


def _bundle_target(store: Store, ref: Ref, typed: str, deleted: bool) -> Target:
    parsed = parse_reference(typed)
    if ref.form == "file" and not parsed.path:
        raise NotFound("path-not-found", f"{typed!r} names no file; write 'REPO@REF:PATH'", path="")
    if ref.form == "bundle" and parsed.path:
        raise NotFound(
            "path-not-found", f"{typed!r} names a file in a bundle; leave out the path, or the word bundle", path=""
        )
    try:
        found = resolve(store, parsed)
        repo, bundle, path = found.repo.name, found.bundle, found.path
        held_by = f"{repo}@{found.ref}" if found.ref and found.ref_kind in ("branch", "label") else None
        said = f" ({found.note})" if found.note else ""
    except NotFound as missing:
        gone = find_deleted(store, parsed) if deleted else None
        if gone is None:
            raise
        repo, bundle, path, held_by, said = gone.repo, gone.bundle, parsed.path, None, f" ({gone.tombstone})"
        _refuse_collected(store, gone, path, missing)
    try:
        content = _part_of(store, bundle, path)
    except NotFound:
        target = _deleted_path(store, found.repo, path, typed) if deleted and held_by else None
        if target is None:
            raise
        return target
    what = f"{path!r} in bundle {bundle.id}" if path else f"bundle {bundle.id}"
    return Target("bundle", bundle.id, f"{typed!r} is {what}{said}", repo, path, content, held_by, bundle.copied_from)


def _deleted_path(store: Store, repo: Repo, path: str, typed: str) -> Target | None:
    """What a ref's bundle has no more, as the newest deleted bundle had it that did; None when no deleted bundle may have."""
    versions = deleted_versions(store, repo, path)
    if not versions.held and not versions.unknown:
        return None
    newest, *older = (*versions.held, *versions.unknown)
    content = _part_of(store, newest.bundle, path) if versions.held else ""
    note = f"{typed!r} is {path!r} in bundle {newest.bundle.id} ({newest.tombstone})"
    if not versions.held:
        lost = len(versions.unknown)
        note = f"whether a deleted bundle held {path!r} is not known: what {lost:,} held is gone; {typed!r} is all of these"
    elif older:
        note += f"; AT file follows it from {len(older):,} more deleted bundles that held it, or may have"
    also = tuple(each.bundle.id for each in older)
    return Target("bundle", newest.bundle.id, note, repo.name, path, content, versions=also)


def _part_of(store: Store, bundle: Bundle, path: str) -> str:
    return (
        part_content(store.metadata, read_manifest(store.metadata, bundle.manifest), path) if path else bundle.content
    )


def _refuse_collected(store: Store, gone: Deleted, path: str, missing: NotFound) -> None:
    """Raises NotFound when a path of a deleted bundle is meant and its manifest is gone with it."""
    if path:
        try:
            read_manifest(store.metadata, gone.bundle.manifest)
        except Corrupt:
            raise NotFound(
                "path-not-found",
                f"the bundle {gone.bundle.id} was {gone.tombstone}, and what it held is gone; leave out {path!r}",
                path=path,
            ) from missing


def run_target(connection: "duckdb.DuckDBPyConnection", text: str, ref: Ref, params: Params) -> Target:
    """The run that a run or step reference means: by its id or part of it; of a step its newest successful run, else its newest.
    Raises NotFound (`run-not-found`), Invalid (`ambiguous-id`, `bad-reference`), pointing at the reference."""
    typed = _typed(text, ref, params)
    try:
        run = _run_of_step(connection, typed) if ref.form == "step" else _run_by_id(connection, typed)
    except DatamonError as error:
        raise pointing(error, text, ref.span) from error
    return Target("run", run, f"{ref.form} {typed!r} is run {run}")


def _run_by_id(connection: "duckdb.DuckDBPyConnection", typed: str) -> str:
    rows = connection.execute("SELECT id FROM runs WHERE starts_with(id, $id) OR ends_with(id, $id)", {"id": typed})
    return find_by_part(typed, [identity for (identity,) in rows.fetchall()], kind="run")


def _run_of_step(connection: "duckdb.DuckDBPyConnection", typed: str) -> str:
    pipeline, slash, step = typed.rpartition("/")
    rows = connection.execute(
        """SELECT id FROM runs WHERE pipeline = $pipeline AND step = $step
        ORDER BY status = 'succeeded' DESC, started DESC, id DESC LIMIT 1""",
        {"pipeline": pipeline if slash else DEFAULT_PIPELINE, "step": step},
    ).fetchall()
    if rows:
        return str(rows[0][0])
    known = connection.execute("SELECT DISTINCT pipeline || '/' || step, step FROM runs ORDER BY ALL").fetchall()
    elsewhere = [name for name, short in known if short == typed]
    near = (
        f"; did you mean {elsewhere[0]}?" if elsewhere else hint(typed, [n if slash else short for n, short in known])
    )
    said = f"no run of a step {typed!r} is recorded" + ("" if slash else f" in the pipeline {DEFAULT_PIPELINE!r}")
    raise NotFound("run-not-found", f"{said}{near or '; FROM steps lists them'}", step=typed)
