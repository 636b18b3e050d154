"""A store of the first datamon in buckets of the real emulator, with versions of its labels."""

from collections.abc import Iterator
from typing import Any

import pytest

from datamon.errors import NotFound, Unavailable
from datamon.store.backend.opening import open_foreign
from datamon.store.bundle import Author
from datamon.store.legacy.sources import LegacyPlaces, context_places, open_legacy
from datamon.store.opening import Places, Store, open_store
from datamon.store.refs import list_refs, ref_history
from datamon.store.repos import find_repo
from datamon.store.resolve import resolve
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.emulator import emulator_client, running_emulator
from datamon.store.testing.legacy_imports import bundles_of, files_of, ksuid, moment, taken
from datamon.store.testing.legacy_writer import LegacyWriter, Place, context_yaml

ADA = Author("Ada", "ada@example.org")
PLACES: dict[Place, str] = {"metadata": "old-meta/team", "vmetadata": "old-vmeta", "blob": "gs://old-blob"}
LEAF = 2 * 2**20
FILES: dict[str | bytes, bytes] = {
    **{f"d/{n}.txt": b"%d" % n for n in range(1_050)},
    "large.bin": random_bytes("large", 3 * LEAF + 5),
    "größe %#?.csv": b"odd",
}


@pytest.fixture(scope="module")
def buckets() -> Iterator[Any]:
    """The old store: a repo with two bundles and labels that moved, and a context that names it."""
    with running_emulator() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        client = emulator_client()
        for name in ("old-meta", "old-vmeta", "old-blob", "old-config", "new-meta", "new-blob"):
            bucket = client.bucket(name)
            bucket.versioning_enabled = name == "old-vmeta"
            bucket.create()

        def put(place: Place, name: str, content: bytes) -> None:
            bucket, _, prefix = PLACES[place].removeprefix("gs://").partition("/")
            client.bucket(bucket).blob(f"{prefix}/{name}".lstrip("/")).upload_from_string(content)

        write(LegacyWriter(put, leaf_bytes=LEAF))
        client.bucket("old-vmeta").blob("labels/orders/dropped/label.yaml").delete()
        client.bucket("old-config").blob("contexts/dev/context.yaml").upload_from_string(context_yaml("dev", PLACES))
        yield client
        client.close()


def write(writer: LegacyWriter) -> None:
    writer.repo("orders", "Orders")
    writer.bundle("orders", ksuid(1), FILES, time=moment(1))
    writer.bundle("orders", ksuid(2), {"a": b"2"}, time=moment(2))
    for number, who in ((1, "Ada"), (2, "Bob"), (1, "Eve")):
        writer.label("orders", "prod", ksuid(number), moment(10 + number), [(who, f"{who}@example.org")])
    writer.label("orders", "dropped", ksuid(1), moment(20))
    writer.label("orders", "a/b", ksuid(1))
    writer.diamond("orders", ksuid(9), is_done=False)


def places() -> LegacyPlaces:
    return LegacyPlaces(PLACES["metadata"], PLACES["vmetadata"], PLACES["blob"])


def test_a_store_in_buckets_comes_with_the_history_of_its_labels(buckets: Any, store: Store) -> None:
    found, tally = taken(store, open_legacy(places()))

    assert [(finding.code, finding.is_damage) for finding in found] == [
        ("session-unfinished", False),
        ("bad-name", True),
    ]
    assert (tally.bundles, tally.files, tally.moves) == (2, len(FILES) + 1, 5)
    assert files_of(store, bundles_of(store, "orders")[0]) == FILES
    repo = find_repo(store, "orders")
    assert [(move.new, entry.author.name) for entry, move in ref_history(store, repo, "prod")] == [
        (ksuid(1), "Ada"),
        (ksuid(2), "Bob"),
        (ksuid(1), "Eve"),
    ]
    assert [ref.name for ref in list_refs(store, repo, "label")] == ["prod"]
    assert [move.new for _, move in ref_history(store, repo, "dropped")] == [ksuid(1), None]
    assert resolve(store, "orders").bundle.id == ksuid(2)


def test_a_second_import_from_buckets_changes_nothing(buckets: Any) -> None:
    new = open_store(Places("new-meta", "new-blob"), ADA)
    taken(new, open_legacy(places()))
    before = [stored.key for stored in new.metadata.list("")]

    found, tally = taken(new, open_legacy(places()))

    assert (tally.bundles, tally.here, tally.moves) == (0, 2, 0)
    assert [stored.key for stored in new.metadata.list("")] == before
    assert [finding.code for finding in found] == ["session-unfinished", "bad-name"]


def test_a_context_of_the_configuration_bucket_names_the_places(buckets: Any) -> None:
    assert context_places("old-config", "dev") == places()
    with pytest.raises(NotFound) as error:
        context_places("old-config", "prod")
    assert error.value.code == "context-not-found"


def test_a_bucket_that_is_not_there_is_an_error_and_no_empty_store(buckets: Any) -> None:
    with pytest.raises(Unavailable, match="there is no bucket"):
        open_foreign("gs://nowhere")


def test_a_name_that_is_not_there_is_not_found(buckets: Any) -> None:
    with pytest.raises(NotFound) as error:
        open_foreign("old-blob").read("gone")
    assert error.value.code == "key-not-found"
