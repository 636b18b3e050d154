"""A bundle opened to be read here and there by a command, and what paths and globs name in it."""

from collections.abc import Iterator

from datamon.cli.open_path import paths_of
from datamon.cli.selecting import Selection, select_bundle
from datamon.errors import NotFound
from datamon.store.entries import TreeEntry, clean_path
from datamon.store.opening import Store
from datamon.store.repos import find_repo
from datamon.store.resolve import Reference
from datamon.store.serving.globs import globbed, is_glob
from datamon.store.serving.served_tree import ServedTree


def served_tree(store: Store, repo: str, selection: Selection) -> ServedTree:
    """The bundle that is meant; inside a run its files that are opened are inputs of it. Raises as `select_bundle`."""
    chosen = select_bundle(store, find_repo(store, repo), selection)
    ref = chosen.id if selection.bundle is not None else selection.label or selection.branch
    return paths_of(store).tree(Reference(repo, ref, ""))


def found_by(tree: ServedTree, pattern: str, *, listing: bool = False) -> Iterator[TreeEntry]:
    """What a path or a glob names; with `listing`, of a directory that is named what is in it. Raises NotFound
    (`path-not-found`) when that is nothing, Invalid (`bad-path`)."""
    path = clean_path(pattern)
    led = tree.followed(path) if listing and not is_glob(path) else None
    if led is not None and led.kind == "dir":
        tree.note_listed(led.path)
        yield from tree.children(led.path)
        return
    found = globbed(tree, pattern)
    first = next(found, None)
    if first is not None:
        yield first
        yield from found
        return
    if not is_glob(path):
        tree.open(path)  # raises, and says what is near
    message = f"nothing in the bundle {tree.bundle.id} fits {pattern!r}; `datamon bundle ls` shows what there is"
    raise NotFound("path-not-found", message, path=pattern, nearest=None)
