"""Every bad input gets one sentence, its exit code, and leaves nothing half written."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from blake3 import blake3

from datamon.cli.testing import Ran, Shell
from datamon.store import layout
from datamon.store.bundle import Author
from datamon.store.codec import decode_sealed, encode, encode_sealed, stamped
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.entries import TreeEntry
from datamon.store.ids import ContentId, ManifestId
from datamon.store.manifest import CONTENT_CONTEXT, ROOT_CONTEXT, Manifest
from datamon.store.opening import Places, Store, open_store
from datamon.store.repos import find_repo
from datamon.store.testing.processes import forks
from datamon.store.testing.trees import crafted_segment

UPLOAD = ("bundle", "upload", "--repo", "orders", "--message", "m", "--path")
DOWNLOAD = ("bundle", "download", "--repo", "orders", "--destination", "back")
Inside = Callable[..., Ran]
NAMES = ("a/b", "a b", "tab\there", "x" * 300, "", "-dash", "2Q0z8hJ3bW6kR1xY5cN7vM9aT4d")
DEADLINE_S = 30
DROP_PRIVILEGES = """\
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what lets root read anything
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.argv[1], sys.argv[1:])
"""


def snapshot(shell: Shell) -> dict[str, str]:
    """What the store holds, by path, but for the journal of intents and what this machine keeps for itself."""
    store = shell.home / ".datamon" / "store"
    files = (path for path in store.rglob("*") if path.is_file() and "journal" not in path.parts)
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def opened(shell: Shell) -> Store:
    """The store of this person, opened in this process."""
    place = str(shell.home / ".datamon" / "store")
    return open_store(Places(place, place), Author("t", "t@example.org"))


def refused(ran: Ran, code: int) -> str:
    """The sentence of a command that failed with this code and gave nothing else but which bundle it used."""
    assert ran.code == code, ran
    assert not ran.out or ran.out.startswith("Using bundle: "), ran
    return ran.sentence


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("bundle list --repo ordes", 4, "there is no repo 'ordes'; did you mean 'orders'?"),
        ("bundle list --repo nothing-like-it", 4, "`datamon repo list` shows those there are"),
        ("bundle get --repo orders --label inti", 4, "no label 'inti'; did you mean 'init'?"),
        ("bundle get --repo orders --label main", 4, "'main' is a branch"),
        ("bundle get --repo orders --branch gone", 4, "no branch 'gone'"),
        ("bundle get --repo orders --bundle 2Q0z8hJ3bW6kR1xY5cN7vM9aT4d", 4, "no bundle 2Q0z8hJ3bW6kR1xY5cN7vM9aT4d"),
        ("bundle get --repo orders --bundle 2Q0", 2, "'2Q0' is too short for an id"),
        ("bundle get --repo orders --bundle zzzz --label init", 2, "--bundle and --label exclude each other"),
        ("bundle diff --repo orders", 2, "one of --with REF and --destination DIR"),
        ("bundle upload --repo orders --message m --path tree/a.csv", 2, "a.csv"),
        ("bundle upload --repo orders --message m --path absent", 4, "absent"),
        ("bundle download --repo orders --destination tree", 5, "tree"),
        ("bundle download --repo orders --destination tree/a.csv", 2, "a.csv"),
        ("bundle download file --repo orders --file aa.csv --destination d", 4, "did you mean 'a.csv'?"),
        ("bundle download file --repo orders --file ../x --destination d", 2, "../x"),
        ("repo create --repo orders --description again", 5, "a repo 'orders' exists"),
        ("label set --repo orders --label l --bundle zzzz", 4, "zzzz"),
        ("label set --repo orders --label main --bundle {bundle}", 5, "'main' is a branch"),
        ("label delete --repo orders --label gone", 4, "no label 'gone'"),
        ("branch create --repo orders --branch main", 5, "a branch 'main' exists"),
        ("branch create --repo orders --branch b --at gone", 4, "no label or branch 'gone'"),
        ("run show zzzz", 4, "no run has an id that begins or ends with 'zzzz'"),
        ("query SELCT", 2, "line 1"),
        ("repo list --context prod", 4, "there is no context 'prod'"),
        ("repo list --config absent.yaml", 4, "there is no configuration file"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_changes(
    orders_once: Shell, inside: Inside, line: str, code: int, says: str
) -> None:
    before = snapshot(orders_once)
    here = sorted(os.listdir(orders_once.cwd))
    words = line.format(bundle=bundle_of(orders_once)).split()
    ran = inside(orders_once, *words)
    assert ran.code == code, ran
    assert says in ran.err.splitlines()[0]
    assert ran.err.startswith("error: ")
    assert snapshot(orders_once) == before
    assert sorted(os.listdir(orders_once.cwd)) == here


def bundle_of(shell: Shell) -> str:
    """The id of the only bundle of `orders`."""
    store = opened(shell)
    (bundle,) = store.logs.repo(find_repo(store, "orders").id).bundles
    return bundle


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_allowed_is_refused_before_anything_is_written(
    orders_once: Shell, inside: Inside, name: str
) -> None:
    before = snapshot(orders_once)
    for words in (("repo", "create", f"--repo={name}"), (*UPLOAD, "tree", f"--label={name}")):
        sentence = refused(inside(orders_once, *words), 2)
        assert "name" in sentence
        assert "\t" not in sentence
        assert len(sentence) < 250
    assert snapshot(orders_once) == before


def test_an_id_that_fits_several_lists_them(orders: Shell, inside: Inside) -> None:
    inside(orders, *UPLOAD, "tree")
    inside(orders, *UPLOAD, "tree")
    ids = [line.split(" , ")[0] for line in inside(orders, "bundle", "list", "--repo", "orders").lines]
    start = next(one[:4] for one, other in pairwise(ids) if one[:4] == other[:4])
    fitting = [one for one in ids if one.startswith(start)]
    sentence = refused(inside(orders, "bundle", "get", "--repo", "orders", "--bundle", start), 2)
    assert all(one in sentence for one in fitting)


def test_an_unreadable_file_is_named_and_the_upload_leaves_nothing(orders: Shell) -> None:
    before = snapshot(orders)
    (orders.cwd / "tree" / "secret").write_text("x")
    (orders.cwd / "tree" / "secret").chmod(0)
    sentence = refused(without_privileges(orders, *UPLOAD, "tree"), 6)
    assert "secret" in sentence
    assert snapshot(orders) == before


def without_privileges(shell: Shell, *words: str) -> Ran:
    """Runs `datamon` as one whom permissions bind, also where the tests are run by root."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return shell(*words)
    return shell(*words, prefix=(sys.executable, "-c", DROP_PRIVILEGES))


def crafted(shell: Shell, *entries: TreeEntry) -> None:
    """Commits to `orders` a bundle of these entries as they are, made by the letter of docs/format.md."""
    store = opened(shell)
    row = crafted_segment(store.metadata, entries)
    ids = (row.id, row.content, row.stat, row.first, row.last, row.rows, row.size_bytes)
    counts = {"entries": row.rows, "bytes": row.size_bytes, "segments": [list(ids)]}
    root = encode(stamped("manifest", counts))
    manifest = ManifestId(blake3(root, derive_key_context=ROOT_CONTEXT).hexdigest())
    store.metadata.put(layout.manifest(manifest), root)
    content = ContentId(blake3(bytes.fromhex(row.content), derive_key_context=CONTENT_CONTEXT).hexdigest())
    evil = Manifest(manifest, content, row.rows, row.size_bytes, (row,))
    commit_bundle(store, find_repo(store, "orders"), CommitRequest(evil, "evil", None, "main"))


def file_entry(path: str) -> TreeEntry:
    """An empty file at `path`, whatever that is."""
    return TreeEntry(path, "file", 0, ContentId(blake3(b"").hexdigest()), None, None, False, 0o644, 0)


def link_entry(path: str, target: str) -> TreeEntry:
    """A symlink."""
    return TreeEntry(path, "symlink", 0, ContentId(blake3(target.encode()).hexdigest()), target, None, False, 0o777, 0)


@pytest.mark.parametrize("way", ["upwards", "absolute", "through a link"])
def test_an_entry_that_would_escape_the_destination_is_refused(orders: Shell, inside: Inside, way: str) -> None:
    outside = orders.cwd / "outside"
    outside.mkdir()
    if way == "upwards":
        crafted(orders, file_entry("../outside/evil"))
    elif way == "absolute":
        crafted(orders, file_entry(f"{outside}/evil"))
    else:
        crafted(orders, link_entry("gate", str(outside)), file_entry("gate/evil"))
    sentence = refused(inside(orders, *DOWNLOAD), 2)
    assert "evil" in sentence or "gate" in sentence
    assert list(outside.iterdir()) == []
    assert not (orders.cwd / "back").exists() or list((orders.cwd / "back").iterdir()) == []


def packs(shell: Shell) -> list[Path]:
    """The store's packs."""
    found = [path for path in (shell.home / ".datamon" / "store" / "packs").rglob("*") if path.is_file()]
    assert found
    return found


def test_a_flipped_byte_in_a_pack_gives_an_error_and_no_file(orders: Shell, inside: Inside) -> None:
    (pack,) = packs(orders)
    content = bytearray(pack.read_bytes())
    content[30] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(content)
    sentence = refused(inside(orders, *DOWNLOAD), 8)
    assert ".csv" in sentence
    assert not (orders.cwd / "back").exists() or list((orders.cwd / "back").iterdir()) == []


def test_a_missing_pack_gives_an_error_and_no_file(orders: Shell, inside: Inside) -> None:
    (pack,) = packs(orders)
    pack.unlink()
    sentence = refused(inside(orders, *DOWNLOAD), 8)
    assert ".csv" in sentence
    assert not (orders.cwd / "back").exists() or list((orders.cwd / "back").iterdir()) == []


def test_a_store_of_a_newer_format_is_left_alone(orders: Shell, inside: Inside) -> None:
    identity = orders.home / ".datamon" / "store" / "store.json"
    record = decode_sealed(identity.read_bytes(), str(identity))
    identity.chmod(0o644)
    identity.write_bytes(encode_sealed({**record, "format": 3}))
    before = snapshot(orders)
    for words in (("repo", "list"), (*UPLOAD, "tree")):
        assert "newer" in refused(inside(orders, *words), 2)
    assert snapshot(orders) == before


def test_ctrl_c_in_the_middle_of_an_upload_leaves_nothing_that_anyone_sees(orders: Shell) -> None:
    large = orders.cwd / "large"
    large.mkdir()
    with open(large / "endless", "wb") as file:
        file.truncate(1 << 42)
    listed = orders.well("bundle", "list", "--repo", "orders").out
    running = orders.start(*UPLOAD, "large", "--label", "broken")
    try:
        wait_until_it_reads(running, 64 * 2**20)
        helpers = forks(running.pid)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=DEADLINE_S)
    finally:
        running.kill()
    assert (running.returncode, out) == (130, "")
    assert len(helpers) == 1
    assert err == "error: stopped by Ctrl-C; what was not finished is not visible\n"
    assert not any(Path(f"/proc/{child}").exists() for child in helpers)
    assert orders.well("bundle", "list", "--repo", "orders").out == listed
    assert "broken" not in orders.well("label", "list", "--repo", "orders").out
    orders.well(*DOWNLOAD)


def read_by(pid: int) -> int:
    """How many bytes the process has read."""
    return int(Path(f"/proc/{pid}/io").read_text().split("rchar: ")[1].split()[0])


def wait_until_it_reads(running: "subprocess.Popen[str]", size_bytes: int) -> None:
    """Returns once the process, with another that reads for it, has read so many bytes."""
    deadline = time.monotonic() + DEADLINE_S
    while running.poll() is None and time.monotonic() < deadline:
        if sum(map(read_by, [running.pid, *forks(running.pid)])) > size_bytes:
            return
        os.sched_yield()
    pytest.fail(f"the upload did not get so far: {running.communicate(timeout=DEADLINE_S)}")


def test_a_full_disk_is_one_sentence_and_leaves_nothing_that_anyone_sees(orders: Shell) -> None:
    unshare = shutil.which("unshare")
    mounting = [unshare or "unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c"]
    small = 'mount -t tmpfs -o size=2m tmpfs small && exec "$@"'
    room = orders.cwd / "small"
    room.mkdir()
    (orders.cwd / "noise").mkdir()
    (orders.cwd / "noise" / "n.bin").write_bytes(os.urandom(4 * 2**20))
    probe = subprocess.run([*mounting, small, "sh", "true"], cwd=orders.cwd, capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("no file system of its own can be mounted here")
    cramped = orders.having(DATAMON_METADATA=str(orders.home / "meta"), DATAMON_BLOB=str(room))
    cramped.well("repo", "create", "--repo", "orders")
    (room / "blobs.json").unlink()
    ran = cramped(*UPLOAD, "noise", prefix=(*mounting, small, "sh"))
    assert "room" in refused(ran, 7)
    assert cramped.well("bundle", "list", "--repo", "orders").out == ""
