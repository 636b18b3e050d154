"""Files that lie elsewhere, read here and there through a bundle, on every scheme."""

import pytest

from datamon.errors import Conflict, DatamonError, NotFound
from datamon.store.entries import TreeEntry
from datamon.store.external.link import LinkRequest, link
from datamon.store.external.restoring import verify_external
from datamon.store.external.sources import Sources
from datamon.store.hashing import Hashing
from datamon.store.opening import Store
from datamon.store.serving import external_file
from datamon.store.serving.decoded_chunks import DecodedChunks
from datamon.store.serving.served_tree import ServedTree
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.places import GooglePlace, Place, S3Place

LONG = random_bytes("long", 9_000_000)


@pytest.fixture
def tree(with_repo: Store, place: Place) -> ServedTree:
    place.put("long.bin", LONG)
    place.put("empty", b"")
    return ServedTree(
        with_repo, link(with_repo, LinkRequest(place.url, "raw", "linked")), DecodedChunks(with_repo.chunks)
    )


def test_any_stretch_is_that_of_the_source(tree: ServedTree) -> None:
    file = tree.open("long.bin")
    assert file.size == len(LONG)
    for offset, length in ((8_999_000, 5_000), (0, 10), (4_000_000, 1_000_000), (9_000_000, 1), (5, 0)):
        assert file.read(offset, length) == LONG[offset : offset + length]
    assert tree.open("empty").read(0, 10) == b""


def test_other_bytes_of_the_same_length_are_refused_and_the_file_is_named(tree: ServedTree, place: Place) -> None:
    place.put("long.bin", random_bytes("other", len(LONG)))
    for _ in range(2):
        with pytest.raises(Conflict, match=r"'long\.bin' of the bundle") as error:
            tree.open("long.bin").read(100, 10)
        assert error.value.facts["url"] == place.url_of("long.bin")


def test_a_file_that_was_written_to_after_it_was_opened_is_never_given_as_it_is_now(
    tree: ServedTree, place: Place
) -> None:
    file = tree.open("long.bin")
    assert file.read(0, 10) == LONG[:10]
    place.put("long.bin", random_bytes("other", len(LONG)))
    try:
        assert file.read(5_000_000, 1_000) == LONG[5_000_000:5_001_000]  # where the place keeps what it had
    except DatamonError as error:
        assert error.code in ("source-changed", "source-not-found")


def test_a_source_that_is_gone_is_an_error_that_names_the_file(tree: ServedTree, place: Place) -> None:
    place.delete("long.bin")
    with pytest.raises(NotFound, match=r"'long\.bin' of the bundle"):
        tree.open("long.bin").read(0, 1)


def test_buckets_give_a_stretch_without_the_rest(
    tree: ServedTree, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names for bytes stand for their hash there; elsewhere the first read goes through all of them."""
    gone_through: list[str] = []

    def verify(sources: Sources, entry: TreeEntry, hashing: Hashing) -> None:
        gone_through.append(entry.path)
        verify_external(sources, entry, hashing)

    monkeypatch.setattr(external_file, "verify_external", verify)
    file = tree.open("long.bin")
    file.read(10, 10)
    file.read(5_000_000, 10)
    assert gone_through == ([] if isinstance(place, (GooglePlace, S3Place)) else ["long.bin"])
