"""From places, as people write them, to backends."""

from pathlib import Path

import pytest

from datamon.errors import Invalid
from datamon.store.backend.gcs import GcsBackend
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.opening import open_backend


def test_a_path_is_a_directory_and_a_bare_name_is_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    places = {
        "/data/store": "/data/store",
        "./store": str(tmp_path / "store"),
        "~/store": str(tmp_path / "home" / "store"),
        "file:///data/with%20space": "/data/with space",
        "file://localhost/data": "/data",
        "my-bucket": "gs://my-bucket",
        "my-bucket/team/a": "gs://my-bucket/team/a",
        "gs://my.bucket_1": "gs://my.bucket_1",
        "gs://my-bucket/a/b/": "gs://my-bucket/a/b",
        "memory://": "memory://",
    }
    for place, url in places.items():
        backend = open_backend(place)
        assert backend.url == url
        kind = GcsBackend if url.startswith("gs:") else MemoryBackend if url.startswith("memory:") else LocalBackend
        assert isinstance(backend, kind)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "place",
    [
        "",
        " ",
        "My Bucket",
        "UPPER",
        "ab",
        "-bucket",
        "s3://bucket/x",
        "http://x/y",
        "file://host/x",
        "file:x",
        "gs://",
        "gs:///x",
        "a\nb",
    ],
)
def test_what_is_no_place_is_refused_with_what_would_be_one(place: str) -> None:
    with pytest.raises(Invalid, match="a bucket's name") as raised:
        open_backend(place)
    assert raised.value.code == "bad-config"


def test_two_memory_places_are_two_stores() -> None:
    one, other = open_backend("memory://"), open_backend("memory://")
    one.put("a", b"x")
    assert not other.has("a")
