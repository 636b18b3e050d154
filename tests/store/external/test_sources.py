"""The contract of sources, over every scheme."""

import pytest

from datamon.errors import Conflict, NotFound
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.external.urls import Url, parse_url
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.places import Place, WebPlace

LONG = random_bytes("long", 300_000)


def found(url: str) -> list[Listed]:
    parsed = parse_url(url)
    return sorted(Sources().of(parsed).find(parsed), key=lambda listed: listed.path)


def read(url: Url, begin: int, end: int) -> bytes:
    source = Sources().of(url)
    return source.read(url, source.status(url), begin, end)


def test_what_lies_beneath_a_url_is_found_with_its_size(place: Place) -> None:
    for name, content in {"a.csv": b"1", "sub/b c.csv": b"22", "sub/deep/é%20": b"", "sub-e": b"4444"}.items():
        place.put(name, content)
    files = [listed for listed in found(place.url) if not listed.directory]
    assert [(listed.path, listed.at.size_bytes) for listed in files] == [
        ("a.csv", 1),
        ("sub-e", 4),
        ("sub/b c.csv", 2),
        ("sub/deep/é%20", 0),
    ]
    for listed in files:
        content = Sources().of(listed.url).read(listed.url, listed.at, 0, listed.at.size_bytes or 0)
        assert len(content) == listed.at.size_bytes


def test_one_name_is_found_alone(place: Place) -> None:
    place.put("a", b"1")
    place.put("ab", b"2")
    [listed] = found(place.url_of("a"))
    assert (listed.path, listed.at.size_bytes, listed.directory) == ("", 1, False)


def test_a_bucket_or_directory_is_found_beneath_its_name_without_a_slash(place: Place) -> None:
    if isinstance(place, WebPlace):
        return  # a web server says which pages there are
    place.put("sub/a", b"1")
    place.put("sub2", b"1")
    assert [listed.path for listed in found(place.url_of("sub"))] == ["a"]


def test_nothing_is_not_found(place: Place) -> None:
    place.put("a", b"1")
    for url in (place.url_of("b"), place.url_of("b/")):
        with pytest.raises(NotFound) as caught:
            found(url)
        assert caught.value.code == "source-not-found"
        assert caught.value.facts["url"] == parse_url(url).text


def test_any_stretch_is_read(place: Place) -> None:
    place.put("long", LONG)
    url = parse_url(place.url_of("long"))
    for begin, end in ((0, 1), (0, len(LONG)), (17, 200_001), (len(LONG) - 1, len(LONG)), (5, 5)):
        assert read(url, begin, end) == LONG[begin:end]


def test_a_stream_is_all_bytes(place: Place) -> None:
    place.put("long", LONG)
    url = parse_url(place.url_of("long"))
    source = Sources().of(url)
    assert b"".join(source.stream(url, source.status(url))) == LONG


def test_what_was_replaced_is_not_read_as_what_it_was(place: Place) -> None:
    place.put("a", b"1" * 100)
    url = parse_url(place.url_of("a"))
    source = Sources().of(url)
    at = source.status(url)
    place.put("a", b"2" * 100)
    for begin, end in ((0, 100), (10, 20)):
        with pytest.raises(Conflict) as caught:
            source.read(url, at, begin, end)
        assert caught.value.code == "source-changed"
    with pytest.raises(Conflict):
        b"".join(source.stream(url, at))
    assert source.read(url, source.status(url), 0, 100) == b"2" * 100


def test_what_has_another_size_is_not_read_as_what_it_was(place: Place) -> None:
    for before, after in ((b"1" * 100, b"1" * 50), (b"", b"1")):
        place.put("a", before)
        url = parse_url(place.url_of("a"))
        source = Sources().of(url)
        at = source.status(url)
        place.put("a", after)
        with pytest.raises(Conflict):
            source.read(url, at, 0, len(before))


def test_what_is_gone_is_told_so(place: Place) -> None:
    place.put("a", b"1")
    url = parse_url(place.url_of("a"))
    source = Sources().of(url)
    at = source.status(url)
    place.delete("a")
    with pytest.raises(NotFound):
        source.status(url)
    with pytest.raises((NotFound, Conflict)):
        source.read(url, at, 0, 1)


def test_the_proof_of_other_bytes_is_another(place: Place) -> None:
    place.put("a", b"1")
    url = parse_url(place.url_of("a"))
    source = Sources().of(url)
    before = source.status(url)
    assert source.status(url) == before
    place.put("a", b"2")
    after = source.status(url)
    assert after.proof is None or after.proof != before.proof
