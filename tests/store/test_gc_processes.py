"""gc in processes of their own, beside others that upload, delete and read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datamon.store import layout
from datamon.store.gc.collect import Amount, GcRequest, collect
from datamon.store.opening import Places, Store, open_store
from datamon.store.repos import list_repos
from datamon.store.testing.gc_world import ADA, make_trees, verify_bundle

_OPEN = """
import json, sys
from pathlib import Path
from datamon.errors import Conflict, Corrupt
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.opening import Places, open_store
from datamon.store.repos import create_repo, find_repo, list_repos
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.gc_world import ADA, TREES, verify_bundle
from datamon.store.upload import UploadRequest, upload
root, who, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = open_store(Places(str(root / "metadata"), str(root / "blob")), ADA)
done = root / "done"
"""
_UPLOAD = (
    _OPEN
    + """
repo = create_repo(store, f"repo{who}", "")
bundles, refused = {}, 0
for number in range(rounds):
    tree = TREES[(number * (who + 1) + who) % len(TREES)]
    try:
        bundle = upload(store, UploadRequest(repo.name, root / "trees" / tree, tree))
        bundles[bundle.id] = tree
        for old in list(bundles)[:-2]:
            delete_bundles(store, repo, DeleteRequest((old,), force=True))
            del bundles[old]
    except Conflict as error:
        refused += 1
print(json.dumps([bundles, refused]))
"""
)
_COLLECT = (
    _OPEN
    + """
runs = 0
while not done.exists() or runs < 3:
    try:
        collect(store, GcRequest(grace_ns=0, sparse_below=(0.5, 1.0)[runs % 2]))
    except Conflict:
        pass
    runs += 1
print(json.dumps(runs))
"""
)
_READ = (
    _OPEN
    + """
read = 0
while not done.exists():
    for repo in list_repos(store):
        state = store.logs.repo(repo.id)
        for bundle in [bundle for bundle in state.bundles.values() if bundle.id not in state.deleted]:
            try:
                verify_bundle(store, bundle, bundle.message)
                read += 1
            except Corrupt:
                if bundle.id not in store.logs.repo(repo.id).deleted:
                    raise
print(json.dumps(read))
"""
)


@pytest.mark.parametrize("rounds", [8, pytest.param(1_500, marks=pytest.mark.slow)])
def test_nothing_is_lost_beside_processes_that_upload_delete_and_read(tmp_path: Path, rounds: int) -> None:
    """Uploads go on finding chunks that were deleted and condemned a moment ago: defect 3 of the original."""
    make_trees(tmp_path / "trees")
    open_store(Places(str(tmp_path / "metadata"), str(tmp_path / "blob")), ADA)
    uploaders = [_start(tmp_path, _UPLOAD, who, rounds) for who in range(3)]
    others = [_start(tmp_path, script, 0, rounds) for script in (_COLLECT, _COLLECT, _READ)]
    told = [_end(uploader) for uploader in uploaders]
    (tmp_path / "done").touch()
    runs = [_end(other) for other in others]
    assert all(run for run in runs)
    store = open_store(Places(str(tmp_path / "metadata"), str(tmp_path / "blob")), ADA)
    _check(store, {bundle: tree for bundles, _ in told for bundle, tree in bundles.items()})
    collect(store, GcRequest(grace_ns=0))
    again = collect(store, GcRequest(grace_ns=0))
    assert (again.condemned, again.swept, again.kept.packs) == (Amount(), Amount(), 0)
    assert store.logs.store().condemned.isdisjoint(
        each.key.rpartition("/")[2] for each in store.blob.list(layout.PACKS)
    )


def _check(store: Store, acknowledged: dict[str, str]) -> None:
    live = {}
    for repo in list_repos(store):
        state = store.logs.repo(repo.id)
        live.update({b.id: b for b in state.bundles.values() if b.id not in state.deleted})
    assert {identity: bundle.message for identity, bundle in live.items()} == acknowledged
    assert len(acknowledged) >= 3
    for bundle in live.values():
        verify_bundle(store, bundle, bundle.message)


def _start(root: Path, script: str, who: int, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(root), str(who), str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> Any:
    printed, _ = process.communicate(timeout=500)
    assert process.returncode == 0
    return json.loads(printed)
