"""What a comparison of runs needs beside their records: environments, and the files that were their code."""

import difflib
from collections.abc import Iterator

from datamon.errors import DatamonError, NotFound
from datamon.lineage.differences import RunSide
from datamon.lineage.finding import environment_of
from datamon.lineage.records import Run
from datamon.lineage.restoring import code_bundle
from datamon.store.opening import Store

LARGEST_SHOWN = 1 << 20
"""A file of code with more bytes is not shown line by line."""


def run_side(store: Store, run: Run) -> RunSide:
    """The run with its environment and the contents of its code, as far as they are still kept."""
    try:
        environment = environment_of(store, run)
    except NotFound:
        environment = None
    return RunSide(run, environment, {path: content for path, (content, _) in _code_files(store, run).items()})


def code_patch(store: Store, old: Run, new: Run) -> Iterator[str]:
    """What changed in the code from one run to the other, as a unified diff, a line each. Files that are no text, or too large,
    are named only."""
    was, now = _code_files(store, old), _code_files(store, new)
    for path in sorted(was.keys() | now.keys()):
        before, after = was.get(path), now.get(path)
        if (before and before[0]) == (after and after[0]):
            continue
        olds, news = (_lines(store, run, path, each) for run, each in ((old, before), (new, after)))
        if olds is None or news is None:
            yield f"{path} differs"
            continue
        yield from difflib.unified_diff(olds, news, f"{old.id}/{path}", f"{new.id}/{path}", lineterm="")


def _code_files(store: Store, run: Run) -> dict[str, tuple[str, int]]:
    """Content and size of each kept file by its path; none where nothing is kept any more."""
    if run.opened.code.bundle is None:
        return {}
    from datamon.store.manifest import iter_entries, read_manifest  # brings pyarrow

    try:
        manifest = read_manifest(store.metadata, code_bundle(store, run).manifest)
        entries = [entry for entry in iter_entries(store.metadata, manifest) if entry.kind != "dir"]
    except DatamonError:
        return {}
    return {
        entry.path: ((entry.target or "") if entry.kind == "symlink" else entry.content or "", entry.size_bytes)
        for entry in entries
    }


def _lines(store: Store, run: Run, path: str, known: tuple[str, int] | None) -> list[str] | None:
    if known is None:
        return []
    if known[1] > LARGEST_SHOWN:
        return None
    from datamon.store.chunk_store import read_file
    from datamon.store.manifest import find_entry, read_manifest

    entry = find_entry(store.metadata, read_manifest(store.metadata, code_bundle(store, run).manifest), path)
    if entry.kind != "file":
        return None
    content = b"".join(read_file(store.chunks, entry.content, entry.size_bytes, entry.recipe))
    try:
        return content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None
