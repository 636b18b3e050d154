"""A small store with something of everything, for tests that look at each of its bytes."""

from dataclasses import dataclass
from pathlib import Path

from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import CodeVersion, Environment, Host, InputRecord, PlannedOutput
from datamon.lineage.ref_moves import Target
from datamon.store.bundle import Bundle, Repo
from datamon.store.chunk_store import ChunkStore
from datamon.store.opening import Store
from datamon.store.refs import set_label
from datamon.store.repos import create_repo
from datamon.store.upload import UploadRequest, upload

PIECE_BYTES = 300_000
"""Longer than the longest chunk, so that each piece of zeros makes chunks of its own that take little room."""
_HOST = Host("tester", "boot", 1, 1, "Linux", "x86_64", 1)
_ENVIRONMENT = Environment("3.11", "CPython", "Linux", {"numpy": "2.0"}, {})


def with_small_packs(store: Store) -> Store:
    """The store, with packs that end soon, and where a list of more than two chunks is itself kept as chunks."""
    vars(store)["chunks"] = ChunkStore(
        store.blob, clock=store.clock, pack_bytes=250, recipe_rows=2, hashing=store.hashing
    )
    return store


@dataclass(frozen=True)
class SmallStore:
    """What `make_small_store` made: the live bundles, and the keys that only a deleted bundle needs."""

    first: Bundle
    second: Bundle
    output: Bundle
    unneeded: frozenset[str]

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """The live ones."""
        return self.first, self.second, self.output


def make_small_store(store: Store, scratch: Path) -> SmallStore:
    """Fills an empty store: two repos with three bundles, labels, a file of many chunks with a long recipe, an empty file, a
    symlink, an empty directory; a bundle that was deleted; a run with an environment, an input and an output; a run that was
    opened and has not ended."""
    with_small_packs(store)
    raw, made = create_repo(store, "raw", "as it came"), create_repo(store, "made", "")
    gone = upload(store, UploadRequest("raw", _with(scratch / "gone", {"gone": "only in the deleted bundle"}), "gone"))
    unneeded = frozenset(key for key in _keys(store) if key.startswith(("packs/", "manifests/", "segments/", "stats/")))
    tree = _tree(scratch / "tree")
    first = upload(store, UploadRequest("raw", tree, "first", label="v1"))
    store.logs.append(raw.id, lambda _: {"kind": "delete", "bundles": [gone.id], "reason": "a test"})
    (tree / "a.csv").write_text("id,price\n1,4\n")
    second = upload(store, UploadRequest("raw", tree, "second"))
    set_label(store, raw, "best", second.id, frozen=True)
    output = _record(store, first, raw, made, _with(scratch / "out", {"model": "the model"}))
    Recording.open(store, _intent(), Policy(host=_HOST))
    return SmallStore(first, second, output, unneeded)


def _keys(store: Store) -> set[str]:
    return {stored.key for backend in (store.metadata, store.blob) for stored in backend.list("")}


def _tree(root: Path) -> Path:
    (root / "empty").mkdir(parents=True)
    (root / "dir").mkdir()
    (root / "a.csv").write_text("id,price\n1,3\n")
    (root / "dir" / "b.csv").write_text("id,price\n2,4\n")
    (root / "dir" / "nothing").write_bytes(b"")
    (root / "link").symlink_to("a.csv")
    (root / "long.bin").write_bytes(b"".join(bytes([number]) * PIECE_BYTES for number in range(1, 4)))
    return root


def _with(root: Path, files: dict[str, str]) -> Path:
    root.mkdir()
    for name, content in files.items():
        (root / name).write_text(content)
    return root


def _record(store: Store, source: Bundle, raw: Repo, made: Repo, directory: Path) -> Bundle:
    read = InputRecord("raw", raw.id, raw.name, "v1", "label", source.id, source.content)
    target = Target(PlannedOutput("made", made.id, made.name, "main"), made)
    recording = Recording.open(store, _intent((read,), (target,)), Policy(host=_HOST))
    output = recording.commit_output(target, directory)
    assert output is not None
    recording.end(Ending("succeeded", 0))
    return store.logs.repo(made.id).bundles[output.bundle]


def _intent(inputs: tuple[InputRecord, ...] = (), targets: tuple[Target, ...] = ()) -> RunIntent:
    return RunIntent(
        pipeline="default",
        step="train",
        how="command",
        argv=("python", "train.py"),
        cwd=".",
        code=CodeVersion(),
        environment=_ENVIRONMENT,
        inputs=inputs,
        targets=targets,
    )
