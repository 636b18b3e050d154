"""Makes `v1.zip`, a store in format 1 with something of everything, and `v1.json`, which says what it holds.

Once a version was released it is never run again: what it made then is what every later version must read.
`python tests/store/data/make_v1.py`
"""

import json
import os
import tempfile
import zipfile
from pathlib import Path

from blake3 import blake3

from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import CodeVersion, Environment, Host, InputRecord, Metric, Param, PlannedOutput
from datamon.lineage.ref_moves import Target
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author, Bundle, Repo
from datamon.store.download import download
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.opening import Store, store_on
from datamon.store.refs import create_branch, delete_label, set_label
from datamon.store.repos import create_repo, list_repos, rename_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.delete_path import delete_paths
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.trees import make_odd_tree, snapshot, write_files
from datamon.store.upload import UploadRequest, upload

HERE = Path(__file__).resolve().parent
ADA = Author("Ada", "ada@example.org")
HOST = Host("tester", "boot", 1, 1, "Linux", "x86_64", 1)
ENVIRONMENT = Environment("3.11.7", "CPython", "Linux", {"numpy": "2.0.0"}, {"TZ": "UTC"})
LONG_PIECE = bytes(range(256)) * 1024
"""262,144 bytes: as long as a chunk can be."""


def make(store: Store, scratch: Path) -> None:
    """Fills an empty store."""
    raw, model = create_repo(store, "raw", "as it came"), create_repo(store, "model", "")
    first = upload(store, UploadRequest("raw", odd_tree(scratch / "odd"), "odd names", label="odd"))
    write_files(scratch / "odd", {"added/ünï.txt": "more"})
    upload(store, UploadRequest("raw", scratch / "odd", "and more"))
    set_label(store, raw, "best", first.id, frozen=True)
    set_label(store, raw, "gone", first.id)
    delete_label(store, raw, "gone")
    create_branch(store, raw, "try", first.id)
    record(store, first, raw, model, write_files(scratch / "out", {"weights": "1 2 3", "secret": "x"}))
    delete_paths(store, model, ["secret"], reason="was never meant to be kept")
    Recording.open(store, intent(), Policy(host=HOST))
    delete_and_collect(store, scratch)


def delete_and_collect(store: Store, scratch: Path) -> None:
    """A repo renamed, one deleted, a bundle deleted and collected, and put again where its names are condemned."""
    other = rename_repo(store, create_repo(store, "temporary", ""), "renamed")
    tree = write_files(scratch / "again", {"again.txt": "deleted, collected, and uploaded again"})
    doomed = upload(store, UploadRequest("renamed", tree, "to be deleted", branch="side"))
    delete_bundles(store, other, DeleteRequest((doomed.id,), force=True))
    collect(store, GcRequest(grace_ns=0))
    upload(store, UploadRequest("renamed", tree, "again"))
    delete_repo(store, create_repo(store, "mistake", ""), reason="a mistake")


def odd_tree(root: Path) -> Path:
    """Odd names and modes, a file of a few chunks, and one whose list of chunks is itself kept as chunks."""
    root.mkdir()
    make_odd_tree(root)
    (root / "big.bin").write_bytes(b"some chunks " * 40_000)
    (root / "long.bin").write_bytes(b"".join(LONG_PIECE + number.to_bytes(4, "big") for number in range(40)))
    os.utime(root / "long.bin", ns=(1_600_000_000_000_000_001,) * 2)
    return root


def record(store: Store, source: Bundle, raw: Repo, made: Repo, directory: Path) -> None:
    """A run that read `source` and wrote `directory`, with everything that a run can have."""
    read = InputRecord("raw", raw.id, raw.name, "odd", "label", source.id, source.content)
    target = Target(PlannedOutput("model", made.id, made.name, "main"), made)
    recording = Recording.open(store, intent((read,), (target,)), Policy(host=HOST))
    recording.commit_output(target, directory)
    recording.keep_streams(write_files(directory.parent / "streams", {"stdout": "trained\n"}))
    recording.end(Ending("succeeded", 0, metrics=(Metric("loss", 0.25), Metric("never", float("nan")))))


def intent(inputs: tuple[InputRecord, ...] = (), targets: tuple[Target, ...] = ()) -> RunIntent:
    """What is known of a run of the step `train` before it begins."""
    return RunIntent(
        pipeline="default",
        step="train",
        how="command",
        argv=("python", "train.py", "--rate", "0.1"),
        cwd=".",
        code=CodeVersion(root="0" * 40, commit="1" * 40, method="script", paths=("train.py",)),
        params=(Param("rate", 0.1), Param("depth", 3, "file", "params.yaml", "model.depth")),
        environment=ENVIRONMENT,
        inputs=inputs,
        targets=targets,
        labels=("v1",) if targets else (),
    )


def held_by(store: Store, scratch: Path) -> dict[str, object]:
    """What the store holds, as JSON can say it: by repo the refs, and the live bundles with their files."""
    held: dict[str, object] = {}
    for repo in list_repos(store, system=True):
        state = store.logs.repo(repo.id)
        live = [bundle for bundle in state.bundles.values() if bundle.id not in state.deleted]
        held[repo.name] = {
            "refs": {ref.name: [ref.kind, ref.bundle, ref.frozen] for ref in state.refs.values()},
            "bundles": {bundle.id: described(store, bundle, scratch / bundle.id) for bundle in live},
        }
    return held


def described(store: Store, bundle: Bundle, place: Path) -> dict[str, object]:
    """A bundle as it is recorded, and its files as a download gives them: mode, time, and target or hash."""
    download(store, bundle, place)
    files = {
        path: [mode, mtime_ns, blake3(inside).hexdigest() if isinstance(inside, bytes) else inside]
        for path, (mode, mtime_ns, inside) in sorted(snapshot(place).items())
    }
    return {"record": bundle.to_record(), "files": files}


def main() -> None:
    """Writes both files beside this one."""
    with tempfile.TemporaryDirectory() as directory:
        root, scratch = Path(directory) / "store", Path(directory) / "scratch"
        scratch.mkdir()
        store = store_on(LocalBackend(root / "metadata"), LocalBackend(root / "blob"), ADA, clock=SteppingClock())
        make(store, scratch)
        held = held_by(store, Path(directory) / "out")
        (HERE / "v1.json").write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with zipfile.ZipFile(HERE / "v1.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(path for path in root.rglob("*") if path.is_file()):
                name = zipfile.ZipInfo(str(path.relative_to(root)), (2026, 1, 1, 0, 0, 0))
                archive.writestr(name, path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
