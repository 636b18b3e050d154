"""Keeps the code of a run in the hidden repo: one bundle for one content, so that a run of unchanged code adds nothing.

A bundle of code has the role `code`, belongs to no run, and has a label `code-<digest>` by which the next run of the same code
finds it; runs name it in their records (docs/format.md, "Code of runs").
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from blake3 import blake3

from datamon.errors import Conflict, Invalid, NotFound
from datamon.lineage.code_files import CodeFile, code_files
from datamon.lineage.records import CodeVersion
from datamon.lineage.secrets import Redactor
from datamon.lineage.workplace import scratch
from datamon.store.commit import CommitRequest
from datamon.store.ids import BundleId
from datamon.store.opening import Store
from datamon.store.repos import runs_repo

CODE_ROLE = "code"
CELL_FILE = ".notebook/cell.py"
"""Where the code of a notebook's cell is kept, beside that of the project."""
_LABEL = "code-"
_CONTEXT = "datamon 1 code of a run"
_MOST_REMEMBERED = 256

Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What this process knows of some code: the files with their stamps, and where it is kept."""

    files: tuple[tuple[Path, Stamp], ...]
    code: CodeVersion
    notes: tuple[str, ...]


_remembered: dict[object, _Remembered] = {}
_lock = threading.Lock()


def keep_code(
    store: Store, code: CodeVersion, redactor: Redactor, cell: str | None = None
) -> tuple[CodeVersion, tuple[str, ...]]:
    """`code` with the bundle that holds its files, which is durable when this returns, and notes on what is not kept as it is. A
    `cell` is kept beside them as a file.

    Files are kept bit by bit; only one in which a known secret value stands is kept with the value masked, and `masked` names it.
    What cannot be kept is a note, and the run goes on. Raises Unavailable, Denied when the store does.
    """
    if code.fingerprint is None or code.method == "none" or (code.method == "cell" and cell is None):
        return code, ()
    key = (store.id, store.metadata.url, code, cell, tuple(redactor.values))
    known = _remembered.get(key)
    if known is not None and all(_stamp(path) == stamp for path, stamp in known.files):
        return known.code, known.notes
    try:
        files = [replace(file, kept=redactor.text(file.kept)) for file in code_files(code)]
        stamps = tuple((file.path, stamp) for file in files if (stamp := _stamp(file.path)) is not None)
        with _in_file(store, cell) as beside:
            kept, notes = _keep(store, code, [*files, *beside], redactor)
    except (Conflict, Invalid, NotFound, OSError) as error:
        return code, (f"the code is not kept: {error}",)
    with _lock:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = _Remembered(stamps, kept, notes)
    return kept, notes


@contextmanager
def _in_file(store: Store, cell: str | None) -> Iterator[list[CodeFile]]:
    """The cell as a file, as long as the block lasts."""
    if cell is None:
        yield []
        return
    with scratch(store) as top:
        (top / "cell.py").write_text(cell, encoding="utf-8", errors="replace")
        yield [CodeFile(top / "cell.py", CELL_FILE)]


def _keep(
    store: Store, code: CodeVersion, files: list[CodeFile], redactor: Redactor
) -> tuple[CodeVersion, tuple[str, ...]]:
    digest, masked = _digest(files, redactor)
    bundle = _find(store, digest) if files else None
    if files and bundle is None:
        bundle, masked = _put(store, code, files, redactor)
    notes = [
        f"the code {path} holds a secret value, which is masked in what is kept: a replay is not exact"
        for path in masked
    ]
    return replace(code, bundle=bundle, masked=masked), tuple(notes)


def _find(store: Store, digest: str) -> BundleId | None:
    """The bundle that holds code of this digest, unless somebody deleted it."""
    state = store.logs.repo(runs_repo(store).id)
    ref = state.refs.get(_LABEL + digest)
    if ref is None or ref.bundle in state.deleted or state.bundles[ref.bundle].role != CODE_ROLE:
        return None
    return ref.bundle


def _put(
    store: Store, code: CodeVersion, files: list[CodeFile], redactor: Redactor
) -> tuple[BundleId, tuple[str, ...]]:
    """A new bundle of the files as they are now, under the label of what they are."""
    # Imported at first use: a run whose code is kept already does not need it.
    from datamon.store.put_tree import StoredTree, TreeSource
    from datamon.store.upload import commit_tree

    with scratch(store) as top:
        copies = [_copy(file, top / file.kept, redactor) for file in files]
        digest, _ = _digest([replace(file, path=top / file.kept) for file in files], Redactor(values=()))
        masked = tuple(file.kept for file, is_masked in zip(files, copies, strict=True) if is_masked)

        def ask(tree: StoredTree) -> CommitRequest:
            return CommitRequest(
                manifest=tree.manifest,
                message=f"code {redactor.text(code.paths[0] if code.paths else digest)}",
                session=tree.session,
                label=_LABEL + digest,
                role=CODE_ROLE,
                reused=tree.reused,
            )

        bundle = commit_tree(store, runs_repo(store), TreeSource(top, "none"), ask)[1]
    return bundle.id, masked


def _copy(file: CodeFile, copy: Path, redactor: Redactor) -> bool:
    """The file stands at `copy`; whether a secret value was masked in it."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    if file.path.is_symlink():
        copy.symlink_to(file.path.readlink())
        return False
    content = file.path.read_bytes()
    clean = _clean(content, redactor)
    copy.write_bytes(clean)
    copy.chmod(file.path.stat().st_mode & 0o777 | 0o600)
    return clean != content


def _clean(content: bytes, redactor: Redactor) -> bytes:
    cleaner = redactor.stream()
    return cleaner.feed(content) + cleaner.finish()


def _digest(files: list[CodeFile], redactor: Redactor) -> tuple[str, tuple[str, ...]]:
    """The digest of what is kept of the files, and those of which not every byte is."""
    hasher = blake3(derive_key_context=_CONTEXT)
    masked: list[str] = []
    for file in files:
        if file.path.is_symlink():
            content, kind = os.fsencode(file.path.readlink()), b"link"
        else:
            found = file.path.read_bytes()
            content, kind = _clean(found, redactor), b"x" if file.path.stat().st_mode & 0o100 else b"-"
            masked += [file.kept] if content != found else []
        for piece in (os.fsencode(file.kept), kind, content):
            hasher.update(len(piece).to_bytes(8, "little"))
            hasher.update(piece)
    return hasher.hexdigest(), tuple(masked)


def _stamp(path: Path) -> Stamp | None:
    """What changes when a file is edited; None when it is not there."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode
