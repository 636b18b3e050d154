"""Sources and bundles that mean harm: names that leave the tree, URLs with secrets, addresses nobody should be made to ask."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import Corrupt, DatamonError, Denied, Invalid, Unavailable
from datamon.store.download import download
from datamon.store.entries import TreeEntry
from datamon.store.external.gather import gather, with_directories
from datamon.store.external.ingest import IngestRequest, ingest
from datamon.store.external.link import LinkRequest, link
from datamon.store.external.source import Listed, Status
from datamon.store.external.sources import Sources
from datamon.store.external.target import decode_target, encode_target
from datamon.store.external.urls import Url, check_keepable, parse_url, url_text
from datamon.store.external.web import Web
from datamon.store.ids import ContentId
from datamon.store.opening import Store
from datamon.store.repos import create_repo
from datamon.store.testing.places import GooglePlace, S3Place, WebPlace, contents
from datamon.store.testing.trees import commit_manifest, crafted_manifest
from datamon.store.testing.web_server import WebServer

HOSTILE = ("../x", "a/../../x", "./x", "a/./x", "a//x", "/x", "..", "a/..")
EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


class Listing(Sources):
    """A source with these names, as no bucket gives them but an attacker's server might."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self._names = names

    def of(self, url: Url) -> "Any":
        return self

    def find(self, url: Url) -> list[Listed]:
        return [Listed(name, url, Status(0)) for name in self._names]


@pytest.mark.parametrize("name", [*HOSTILE, "a\0b", "\udcff", "a/"])
def test_a_name_that_is_no_path_inside_a_tree_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="name-filter") as caught:
        gather(Listing(["fine", name]), parse_url("s3://bucket/"), "top")
    assert caught.value.code == "unsafe-path"


@pytest.mark.parametrize("names", [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"]])
def test_names_that_form_no_tree_are_refused(names: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        gather(Listing(names), parse_url("s3://bucket/"))
    assert caught.value.code == "unsafe-path"


def test_a_name_that_is_refused_can_be_left_out() -> None:
    [listed] = gather(Listing(["fine", "../x"]), parse_url("s3://bucket/"), pattern="^fine")
    assert listed.path == "fine"


def test_names_that_differ_in_case_are_two() -> None:
    assert [listed.path for listed in gather(Listing(["a", "A"]), parse_url("s3://bucket/"))] == ["A", "a"]


@given(st.lists(st.text(st.sampled_from("a./\0é"), max_size=6), max_size=4))
def test_whatever_the_names_are_what_is_gathered_forms_a_tree(names: list[str]) -> None:
    try:
        found = gather(Listing([name for name in names if name]), parse_url("s3://bucket/"))
    except Invalid:
        return
    entries = with_directories(
        TreeEntry(each.path, "file", 0, ContentId(EMPTY), None, None, False, 0o644, 0) for each in found
    )
    paths = {entry.path for entry in entries}
    assert len(paths) == len(entries)
    for path in paths:
        assert not {"", ".", ".."} & set(path.split("/"))
        assert path.rpartition("/")[0] in paths | {""}


def test_hostile_keys_of_real_buckets_are_refused_and_can_be_left_out(
    with_repo: Store, google_bucket: Any, s3_client: Any, tmp_path: Path
) -> None:
    for place in (GooglePlace(google_bucket, "hostile/"), S3Place(s3_client, "sources", "hostile/")):
        place.put("fine", b"1")
        place.put("a//x", b"2")
        with pytest.raises(Invalid) as caught:
            ingest(with_repo, IngestRequest(place.url, "raw", "m"))
        assert caught.value.code == "unsafe-path"
        made = ingest(with_repo, IngestRequest(place.url, "raw", "m", pattern="^fine$"))
        download(with_repo, made, tmp_path / place.url[:2])
        assert contents(tmp_path / place.url[:2]) == {"fine": b"1"}


def test_links_of_a_page_that_lead_elsewhere_are_not_followed(with_repo: Store, web_server: WebServer) -> None:
    place = WebPlace(web_server)
    place.put("fine", b"1")
    web_server.files["secret"] = b"2"
    web_server.extra_links = [
        "../secret",
        "/secret",
        "//127.0.0.2/x",
        "https://example.org/x",
        "?C=M",
        "javascript:1",
        "#x",
    ]
    made = gather(Sources(), parse_url(place.url))
    assert [listed.path for listed in made] == ["fine"]
    web_server.extra_links = ["%2e%2e/secret", "sub%2f..%2f..%2fsecret"]
    with pytest.raises(DatamonError):
        gather(Sources(), parse_url(place.url))


@pytest.mark.parametrize(
    "text",
    [
        "orders",
        "ftp://host/x",
        "https://user:password@host/x",
        "https://token@host/x",
        "https://",
        "https://host:port/x",
        "https://host/a b",
        "s3://",
        "gs:///key",
        "s3://key:secret@bucket/x",
        "file://host/x",
        "file:///a%00b",
        "https://host/\nx",
        "https://host/" + "x" * 9_000,
    ],
)
def test_a_url_that_cannot_be_read_or_holds_a_password_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_url(text)
    assert caught.value.code == "bad-url"
    assert "password" not in str(caught.value.facts["url"])
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=1",
        "X-Goog-Signature=1",
        "a=1&sig=2",
        "token=x",
        "access_token=x",
        "AWSAccessKeyId=x",
        "api_key=",
    ],
)
def test_a_signed_url_is_not_kept_in_a_bundle_and_its_secret_not_shown(with_repo: Store, query: str) -> None:
    with pytest.raises(Invalid, match="ingest") as caught:
        link(with_repo, LinkRequest(f"https://example.org/a?{query}", "raw", "m"))
    assert caught.value.code == "bad-url"
    assert query not in caught.value.message


def test_a_signed_url_can_be_ingested_and_stands_nowhere(
    local_store: Store, web_server: WebServer, tmp_path: Path
) -> None:
    create_repo(local_store, "raw", "for a test")
    web_server.files["data/a"] = b"1"
    ingest(local_store, IngestRequest(f"{web_server.url}/data/a?X-Amz-Signature=hidden", "raw", "m"))
    assert local_store.state_dir is not None
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"hidden" not in path.read_bytes()


def test_a_plain_query_is_kept() -> None:
    check_keepable(parse_url("https://example.org/a?version=3&lang=en"))


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[::ffff:169.254.169.254]", "224.0.0.1"])
def test_addresses_at_which_clouds_give_out_credentials_are_never_asked(host: str) -> None:
    with pytest.raises(Denied) as caught:
        Web().status(parse_url(f"http://{host}/latest/meta-data"))
    assert caught.value.code == "source-denied"


def test_a_redirect_to_such_an_address_or_to_a_file_is_not_followed(web_server: WebServer) -> None:
    for target in ("http://169.254.169.254/x", "file:///etc/passwd", "https://user:password@host/"):
        web_server.redirects["a"] = target
        with pytest.raises(Denied):
            Web().status(parse_url(f"{web_server.url}/a"))


def test_redirects_are_followed_and_not_for_ever(web_server: WebServer) -> None:
    web_server.files["b"] = b"12"
    web_server.redirects = {"a": "/b", "loop": "/loop"}
    assert Web().status(parse_url(f"{web_server.url}/a")).size_bytes == 2
    with pytest.raises(Unavailable):
        Web(pause=lambda _: None).status(parse_url(f"{web_server.url}/loop"))


@pytest.mark.parametrize(
    ("status", "code"), [(401, "source-denied"), (403, "source-denied"), (410, "source-not-found")]
)
def test_what_a_server_answers_is_told_apart(web_server: WebServer, status: int, code: str) -> None:
    web_server.status = status
    with pytest.raises(DatamonError) as caught:
        Web().status(parse_url(f"{web_server.url}/a"))
    assert caught.value.code == code


def external(path: str, **record: object) -> TreeEntry:
    size_bytes = record.get("size", 0)
    assert isinstance(size_bytes, int)
    target = json.dumps({"size": size_bytes, **record})
    return TreeEntry(path, "external", size_bytes, ContentId(EMPTY), target, None, False, 0o644, 0)


@pytest.mark.parametrize(
    "target", [None, "", "{}", "[]", "null", "[" * 100_000, '{"url":"x","size":"y"}', '{"url":1,"size":0}']
)
def test_an_entry_that_does_not_say_where_its_bytes_lie_is_told_by_name(target: str | None) -> None:
    entry = TreeEntry("far.csv", "external", 0, ContentId(EMPTY), target, None, False, 0o644, 0)
    with pytest.raises((Corrupt, Invalid), match=r"far\.csv"):
        decode_target(entry)


def test_a_crafted_entry_gets_no_bytes_that_were_not_hashed(with_repo: Store, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("private")
    os.mkfifo(tmp_path / "pipe")
    for url in ((tmp_path / "private").as_uri(), (tmp_path / "pipe").as_uri(), tmp_path.as_uri(), "file:///dev/zero"):
        crafted = crafted_manifest(with_repo.metadata, [external("x", url=url, size=7)])
        with pytest.raises(DatamonError, match="'x'"):
            download(with_repo, commit_manifest(with_repo, crafted), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_a_crafted_entry_with_a_size_of_another_is_refused(with_repo: Store, tmp_path: Path) -> None:
    entry = TreeEntry("x", "external", 5, ContentId(EMPTY), '{"size":7,"url":"s3://a/b"}', None, False, 0o644, 0)
    with pytest.raises(Corrupt, match="two sizes"):
        download(with_repo, commit_manifest(with_repo, crafted_manifest(with_repo.metadata, [entry])), tmp_path / "out")


@given(
    st.builds(
        Status,
        size_bytes=st.integers(0, 2**60),
        mtime_ns=st.integers(0, 2**62),
        etag=st.none() | st.text(max_size=8),
        generation=st.none() | st.text(st.sampled_from("0123456789"), min_size=1, max_size=8),
        version=st.none() | st.text(max_size=8),
        ranges=st.booleans(),
    )
)
def test_what_an_entry_says_of_its_source_is_what_is_read_from_it(at: Status) -> None:
    listed = Listed("a", parse_url("s3://bucket/a?b#c"), at)
    assert at.size_bytes is not None
    entry = TreeEntry("a", "external", at.size_bytes, ContentId(EMPTY), encode_target(listed), None, False, 0o644, 0)
    assert decode_target(entry) == listed


def test_a_path_that_was_typed_is_its_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert url_text("a b") == (tmp_path / "a b").as_uri()
    assert parse_url(url_text("#1")).path == str(tmp_path / "#1")


def test_s3_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    url = parse_url("s3://bucket/key")
    with pytest.raises(Invalid, match=r"pip install 'datamon\[external\]'") as caught:
        Sources().of(url).status(url)
    assert caught.value.code == "missing-extra"
