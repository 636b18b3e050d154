"""A store on Google Cloud Storage: its logs and its journal, against the real emulator."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from datamon.errors import Conflict, Invalid
from datamon.store.bundle import Author
from datamon.store.journal import ObjectJournal
from datamon.store.opening import Places, Store, open_store
from datamon.store.refs import ref_history, set_label
from datamon.store.repos import create_repo, find_repo
from datamon.store.resolve import resolve
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.emulator import emulator_client, running_emulator

ADA = Author("Ada", "ada@example.org")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    name = "team-metadata"
    with running_emulator() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        client = emulator_client()
        client.create_bucket(name)
        client.bucket(name).blob("others/thesis.tex").upload_from_string(b"words")
        yield name
        client.close()


def _process(bucket: str) -> Store:
    return open_store(Places(f"{bucket}/m", f"gs://{bucket}/b"), ADA)


def test_a_store_in_a_bucket_keeps_repos_bundles_refs_and_journal(bucket: str) -> None:
    store = _process(bucket)
    repo = create_repo(store, "orders", "")
    made = [commit_nothing(store, repo) for _ in range(2)]
    set_label(store, repo, "v1", made[0].id)
    other = _process(bucket)
    assert other.id == store.id
    assert isinstance(other.journal, ObjectJournal)
    assert resolve(other, "orders").bundle == made[1]
    assert resolve(other, "orders@v1").bundle == made[0]
    assert [move.new for _, move in ref_history(other, find_repo(other, "orders"), "main")] == [b.id for b in made]
    assert [record["number"] for record in other.journal.read({})[0]] == [1, 1, 2, 3]
    with pytest.raises(Conflict):
        create_repo(other, "orders", "")


def test_processes_that_commit_to_one_branch_in_a_bucket_lose_nothing(bucket: str) -> None:
    repo = create_repo(_process(bucket), "parts", "")
    stores = [_process(bucket) for _ in range(4)]

    def write(store: Store) -> list[str]:
        return [commit_nothing(store, repo).id for _ in range(6)]

    with ThreadPoolExecutor(4) as writers:
        made = [identity for written in writers.map(write, stores) for identity in written]
    # More than one batch of reads at once, by a process that has seen nothing.
    bundles = list(_process(bucket).logs.repo(repo.id).bundles.values())
    assert sorted(bundle.id for bundle in bundles) == sorted(made)
    assert all(later.parents == (earlier.id,) for earlier, later in pairwise(bundles))


def test_a_bucket_of_other_things_is_refused(bucket: str) -> None:
    with pytest.raises(Invalid, match=r"thesis\.tex") as refusal:
        open_store(Places(f"{bucket}/others", f"{bucket}/blob"), ADA)
    assert refusal.value.code == "bad-path"
