"""What a run reads and writes by path: told by every process of it in a directory of this machine, and recorded when it ends.

The directory is found by the run's id, so that a command's processes, and those that they start, need no other word than which
run they are inside.
"""

import base64
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamon.errors import Corrupt, NotFound
from datamon.lineage.capture.host import capture_host, presence
from datamon.lineage.nesting import here, innermost, parent_for
from datamon.lineage.records import Host, InputRecord
from datamon.lineage.workplace import new_place, sweep
from datamon.store import layout
from datamon.store.beneath import writing
from datamon.store.bundle import Repo
from datamon.store.codec import decode_sealed
from datamon.store.cover import Cover
from datamon.store.ids import RepoId, RunId
from datamon.store.opening import Store
from datamon.store.paths.staged import Staged
from datamon.store.resolve import Resolved

if TYPE_CHECKING:  # it brings pyarrow, which a run that uses no path does not need
    from datamon.store.serving.served_tree import Accessed, AccessKind

KEPT_PATHS = 5_000
"""Of an input of which a run read more, it is recorded that all of it was read."""
_FOLDER, _READS, _WRITES = "paths", "reads", "writes"


class InRuns:
    """See `Surroundings` of the store's paths: the run is the one that is open around the caller, in this process or above it.
    `variables` gives the process's environment."""

    def __init__(self, store: Store, variables: Callable[[], Mapping[str, str]]) -> None:
        self._store = store
        self._variables = variables
        self._known: dict[RunId, bool] = {}

    def run(self, *, to_write: bool = False) -> RunId | None:
        """See `Surroundings`. Of a run that the environment names only this machine's processes can tell its recorder: on
        another one, and after its end, they are in no run."""
        around = here() or innermost()
        if around is not None:
            return around[1] if around[0] == self._store.id else None
        named = parent_for(self._store, self._variables())
        if named is None:
            return None
        if to_write or named not in self._known:
            self._known[named] = _is_recorded_here(self._store, named)
        return named if self._known[named] else None

    def reading(self, run: RunId, resolved: Resolved) -> "Accessed":
        """See `Surroundings`. What is told is in a file when `accessed` returns; it raises Unavailable, Denied."""
        folder = place_of(self._store, run) / _READS
        known = {
            "repo": resolved.repo.id,
            "repo_name": resolved.repo.name,
            "ref": resolved.ref,
            "ref_kind": resolved.ref_kind,
            "bundle": resolved.bundle.id,
            "content": resolved.bundle.content,
        }

        def accessed(kind: "AccessKind", path: str) -> None:
            line = _covered(self._store.cover, json.dumps([kind, path, known]).encode()) + b"\n"
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                with open(folder / str(os.getpid()), "ab", buffering=0) as file:
                    file.write(line)

        return accessed

    def staging(self, run: RunId, repo: Repo, branch: str) -> Path:
        """See `Surroundings`."""
        return place_of(self._store, run) / _WRITES / f"{repo.id}@{branch}"

    def new_directory(self) -> Path:
        """See `Surroundings`. When this process is killed, the next one that asks removes it."""
        sweep(self._store, capture_host())
        return new_place(self._store, capture_host())


@dataclass(frozen=True, slots=True)
class Used:
    """What a run used by path: the inputs that nobody declared, and what is to be committed as outputs."""

    inputs: tuple[InputRecord, ...] = ()
    written: tuple[Staged, ...] = ()


@dataclass(slots=True)
class _Seen:
    """The paths of one bundle that were read, and looked for in vain."""

    read: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)


def _is_recorded_here(store: Store, run: RunId) -> bool:
    """Whether the run is open, and the process that will end it runs on this machine."""
    key = layout.open_run(run)
    try:
        mark = decode_sealed(store.metadata.get(key), f"{store.metadata.url}/{key}")
        return presence(Host.from_record(mark["host"]), capture_host()) == "here"
    except (NotFound, Corrupt, KeyError):
        return False


def place_of(store: Store, run: RunId) -> Path:
    """Where the processes of a run tell what they use; absent as long as they use nothing."""
    if store.state_dir is not None:
        return store.state_dir / _FOLDER / run
    return Path(tempfile.gettempdir()) / f"datamon-{store.id}-{run}"


def used_by(store: Store, run: RunId, declared: Sequence[InputRecord]) -> Used:
    """What the run has used until now. A bundle of which all is a declared input is none again. Raises NotFound
    (`repo-not-found`) when it wrote to a repo that was deleted meanwhile."""
    place = place_of(store, run)
    if not place.is_dir():
        return Used()
    seen: dict[tuple[tuple[str, Any], ...], _Seen] = {}
    for kind, path, known in _told(place / _READS, store.cover):
        each = seen.setdefault(tuple(known.items()), _Seen())
        (each.read if kind == "read" else each.absent).add(path)
    whole = {each.bundle for each in declared if not each.path}
    bundles = [(dict(known), paths) for known, paths in seen.items() if dict(known)["bundle"] not in whole]
    roles = _roles([known for known, _ in bundles], {each.role for each in declared})
    inputs = tuple(_input(role, known, paths) for role, (known, paths) in zip(roles, bundles, strict=True))
    return Used(inputs, tuple(_written(store, place / _WRITES)))


def forget_use(store: Store, run: RunId) -> None:
    """Nothing is kept any more of what the run told."""
    place = place_of(store, run)
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)


def _covered(cover: Cover, line: bytes) -> bytes:
    """What an encrypted store's machine may keep of the line."""
    return base64.b64encode(cover.on(line, _FOLDER)) if cover.hides else line


def _told(folder: Path, cover: Cover) -> "Iterator[tuple[AccessKind, str, Mapping[str, Any]]]":
    """What was told, in each process's order; a line that a kill cut short is left out."""
    if not folder.is_dir():
        return
    for place in sorted(folder.iterdir()):
        for line in place.read_bytes().split(b"\n")[:-1]:
            try:
                plain = cover.off(base64.b64decode(line), _FOLDER) if cover.hides else line
                kind, path, known = json.loads(plain)
            except ValueError:
                continue
            yield kind, path, known


def _input(role: str, known: Mapping[str, Any], seen: _Seen) -> InputRecord:
    few = len(seen.read) + len(seen.absent) <= KEPT_PATHS
    return InputRecord(
        role=role,
        **known,
        how="observed",
        read=tuple(sorted(seen.read)) if few else None,
        absent=tuple(sorted(seen.absent)) if few else (),
    )


def _roles(bundles: Sequence[Mapping[str, Any]], taken: Iterable[str]) -> list[str]:
    """A name for each: that of its repo, with its ref or its id behind it where that is needed."""
    repos = Counter(known["repo_name"] for known in bundles)
    used = set(taken)
    roles = []
    for known in bundles:
        name = known["repo_name"]
        choices = [name] if repos[name] == 1 else []
        choices += [f"{name}@{known['ref']}"] if known["ref"] else []
        choices += [f"{name}@{known['bundle']}", f"{name}@{known['bundle']} (by path)"]
        role = next((each for each in choices if each not in used), choices[-1])
        used.add(role)
        roles.append(role)
    return roles


def _written(store: Store, folder: Path) -> Iterator[Staged]:
    if not folder.is_dir():
        return
    repos = store.logs.store().repos
    for place in sorted(folder.iterdir()):
        identity, _, branch = place.name.partition("@")
        repo = repos.get(RepoId(identity))
        if repo is None:
            message = (
                f"the repo {identity}, to which the run wrote by path, was deleted meanwhile; what it wrote is lost"
            )
            raise NotFound("repo-not-found", message, repo=identity)
        staged = Staged(place, repo, branch)
        if not staged.is_empty():
            yield staged
