"""What works on a disk until it is cut short: uploads, checkouts, labels, deletions, gc.

Run as `python -m datamon.store.testing.cut_work DISK TREES SEED`. Tells on stdout, in lines of JSON, what it begins and what is
done, which is what the store has answered.
"""

import json
import random
import sys
from contextlib import suppress
from pathlib import Path

from datamon.errors import Conflict, Unavailable
from datamon.store.bundle import Author, Repo
from datamon.store.checkout import checkout
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.opening import Places, Store, open_store
from datamon.store.refs import set_label
from datamon.store.repos import create_repo, list_repos
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.upload import UploadRequest, upload

PARTS = 12
PART_BYTES = 90_000
"""More than one chunk each, so that trees share chunks, and frames of several files too."""


def opened(disk: Path, state: Path) -> Store:
    """The store on the disk."""
    places = Places(str(disk / "store"), str(disk / "store"), state_dir=state)
    return open_store(places, Author("Power", "power@example.org"))


def make_tree(directory: Path, chance: random.Random) -> None:
    """A few files from a small stock of contents, so that uploads find chunks there, condemned ones too."""
    directory.mkdir(parents=True)
    for number in range(chance.randrange(1, 6)):
        stock = random.Random(chance.randrange(PARTS))  # noqa: S311 (contents of test files)
        size = stock.choice((0, 700, 30_000, PART_BYTES, 3 * PART_BYTES))
        (directory / f"{number}.bin").write_bytes(stock.randbytes(size))


def work(disk: Path, trees: Path, seed: int) -> None:
    """Goes on until the disk fails."""
    chance = random.Random(seed)  # noqa: S311 (a test's choices)
    store = opened(disk, disk / "state")  # caches are cut short too
    repos = list_repos(store) or [create_repo(store, name, "") for name in ("one", "two")]
    for turn in range(10_000):
        _step(store, chance.choice(repos), chance, trees / str(turn))


def _step(store: Store, repo: Repo, chance: random.Random, tree: Path) -> None:
    state = store.logs.repo(repo.id)
    live = [bundle for bundle in state.bundles if bundle not in state.deleted]
    what = chance.choices(("upload", "checkout", "label", "delete", "gc"), (8, 3, 3, 3, 2))[0]
    if what == "upload" or not live:
        make_tree(tree, chance)
        _say("begin", op="upload", repo=repo.name)
        made = upload(store, UploadRequest(repo.name, tree, "power", label=chance.choice((None, "tip"))))
        _say("done", op="upload", repo=repo.name, bundle=made.id, content=made.content, tree=str(tree))
    elif what == "checkout":
        _say("begin", op="checkout", repo=repo.name)
        with suppress(
            Conflict
        ):  # what was put there is collected, and too young for its times to prove that nobody edited it
            checkout(store, state.bundles[chance.choice(live)], tree.parent / f"checkout-{repo.name}")
        _say("done", op="checkout", repo=repo.name)
    elif what == "label":
        bundle = chance.choice(live)
        _say("begin", op="label", repo=repo.name, bundle=bundle)
        set_label(store, repo, "chosen", bundle)
        _say("done", op="label", repo=repo.name, bundle=bundle)
    elif what == "delete":
        bundle = chance.choice(live)
        _say("begin", op="delete", repo=repo.name, bundle=bundle)
        delete_bundles(store, repo, DeleteRequest((bundle,), "power", force=True))
        _say("done", op="delete", repo=repo.name, bundle=bundle)
    else:
        _say("begin", op="gc")
        collect(store, GcRequest(grace_ns=0))
        _say("done", op="gc")


def _say(state: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"state": state, **fields}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        work(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    except (Unavailable, OSError) as error:
        sys.exit(f"the disk failed: {error}")
