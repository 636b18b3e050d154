"""`datamon bundle link`, `datamon ingest` and `datamon check --external`, as a person meets them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell
from datamon.store.testing.places import contents, running_s3_server
from datamon.store.testing.web_server import WebServer, running_web_server

Inside = Callable[..., Ran]
FILES = {"a.csv": b"id\n1\n", "sub/b.csv": b"id\n2\n"}


@pytest.fixture
def server() -> Iterator[WebServer]:
    with running_web_server() as served:
        served.files.update({f"data/{name}": content for name, content in FILES.items()})
        yield served


def linked(orders: Shell, inside: Inside, server: WebServer) -> Ran:
    words = ("bundle", "link", "--url", f"{server.url}/data/", "--repo", "orders", "--path", "web", "--label", "web")
    return inside(orders, *words)


def test_what_is_linked_is_downloaded_beside_what_the_head_has(
    orders: Shell, inside: Inside, server: WebServer
) -> None:
    label, last = linked(orders, inside, server).good()
    assert label == "set label 'web'"
    assert last.startswith("Linked bundle id:")
    inside(orders, "bundle", "download", "--repo", "orders", "--destination", "out").good()
    got = contents(orders.cwd / "out")
    assert {f"web/{name}": content for name, content in FILES.items()}.items() <= got.items()
    assert {"a.csv", "b.csv"} <= got.keys()
    assert (
        inside(orders, "bundle", "update", "--repo", "orders", "--destination", "out").good()[-1]
        == "0 written, 0 removed"
    )
    assert inside(orders, "bundle", "diff", "--repo", "orders", "--destination", "out").code == 0


def test_linked_files_are_listed_with_where_they_lie(orders: Shell, inside: Inside, server: WebServer) -> None:
    linked(orders, inside, server)
    ran = inside(orders, "bundle", "list", "files", "--repo", "orders", "--prefix", "web/a.csv", "--format", "json")
    [row] = json.loads(ran.out)
    assert (row["kind"], row["size"]) == ("external", 5)
    assert json.loads(row["target"])["url"] == f"{server.url}/data/a.csv"
    ran = inside(orders, "query", "SELECT kind, size FROM files WHERE path = 'web/a.csv'", "--format", "jsonl")
    assert json.loads(ran.out) == {"kind": "external", "size": 5}


def test_a_source_that_changed_or_went_has_its_own_exit_code_and_sentence(
    orders: Shell, inside: Inside, server: WebServer
) -> None:
    linked(orders, inside, server)
    server.files["data/a.csv"] = b"id\n9\n"
    changed = inside(orders, "bundle", "download", "--repo", "orders", "--destination", "out")
    assert (changed.code, "web/a.csv" in changed.sentence, "link it again" in changed.sentence) == (5, True, True)
    del server.files["data/a.csv"]
    gone = inside(orders, "bundle", "download", "--repo", "orders", "--destination", "out")
    assert (gone.code, f"{server.url}/data/a.csv" in gone.sentence) == (4, True)
    server.status = 403
    assert inside(orders, "bundle", "download", "--repo", "orders", "--destination", "out").code == 6
    assert not (orders.cwd / "out").exists()


def test_check_reads_what_is_linked_only_when_asked(orders: Shell, inside: Inside, server: WebServer) -> None:
    linked(orders, inside, server)
    assert inside(orders, "check", "--external").code == 0
    server.files["data/a.csv"] = b"id\n9\n"
    del server.files["data/sub/b.csv"]
    assert inside(orders, "check").code == 0
    assert inside(orders, "repair", "--dry-run").code == 0
    ran = inside(orders, "check", "--external", "--format", "jsonl")
    assert ran.code == 8
    findings = [json.loads(line) for line in ran.lines]
    assert [(each["code"], each["path"], each["severity"]) for each in findings] == [
        ("source-changed", "web/a.csv", "damage"),
        ("source-not-found", "web/sub/b.csv", "damage"),
    ]
    server.status = 403
    ran = inside(orders, "check", "--external", "--format", "jsonl")
    assert ran.code == 0
    assert {json.loads(line)["code"] for line in ran.lines} == {"source-denied"}


def test_a_copy_and_an_ingest_need_their_source_no_more(orders: Shell, inside: Inside, server: WebServer) -> None:
    url = f"{server.url}/data/"
    inside(orders, "bundle", "link", "--url", url, "--repo", "orders", "--path", "in", "--branch", "b", "--copy").good()
    [last] = inside(orders, "ingest", url, "--repo", "orders", "--branch", "c").good()
    assert last.startswith("Ingested bundle id:")
    server.files.clear()
    for branch, top in (("b", "in/"), ("c", "")):
        words = ("bundle", "download", "--repo", "orders", "--branch", branch, "--destination", branch)
        inside(orders, *words).good()
        assert contents(orders.cwd / branch) == {top + name: content for name, content in FILES.items()}


def test_a_directory_is_ingested_by_its_path(orders: Shell, inside: Inside) -> None:
    inside(orders, "ingest", "tree", "--repo", "orders", "--branch", "c", "--name-filter", "^a").good()
    inside(orders, "bundle", "download", "--repo", "orders", "--branch", "c", "--destination", "c").good()
    assert contents(orders.cwd / "c") == {"a.csv": b"id,price\n1,3\n"}


def test_a_wrong_url_is_told_before_anything_is_done(orders: Shell, inside: Inside) -> None:
    for url, code in (("ftp://x/y", 2), ("https://a:b@c/", 2), ("nothing-there", 4)):
        for words in (("ingest", url), ("bundle", "link", "--url", url)):
            ran = inside(orders, *words, "--repo", "orders")
            assert ran.code == code, ran
            assert ran.sentence


def test_a_data_set_is_moved_from_s3_by_one_command(orders: Shell) -> None:
    import boto3

    with running_s3_server() as variables:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            client = boto3.client("s3")
            client.create_bucket(Bucket="exports")
            for name, content in FILES.items():
                client.put_object(Bucket="exports", Key=f"2026/{name}", Body=content)
            client.close()
        person = orders.having(**variables)
        person.well("ingest", "s3://exports/2026", "--repo", "orders", "--branch", "s3")
    orders.well("bundle", "download", "--repo", "orders", "--branch", "s3", "--destination", "out")
    assert contents(orders.cwd / "out") == FILES


def test_a_run_reads_what_is_linked_and_goes_stale_by_its_bytes(
    orders: Shell, server: WebServer, tmp_path: Path
) -> None:
    orders.well("repo", "create", "--repo", "sums", "--description", "d")
    link = ("bundle", "link", "--url", f"{server.url}/data/a.csv", "--repo", "orders", "--path", "web.csv")
    orders.well(*link)
    words = ("run", "record", "--input", "orders:web.csv=in", "--output", "sums=out", "--", "cp", "in/web.csv", "out/")
    assert orders(*words).code == 0
    orders.well("bundle", "download", "--repo", "sums", "--destination", "sums")
    assert contents(orders.cwd / "sums") == {"web.csv": FILES["a.csv"]}
    orders.well(*link)
    assert "sums" not in orders("query", "WHAT IS STALE").out
    server.files["data/a.csv"] = b"id\n9\n"
    orders.well(*link)
    assert "sums" in orders("query", "WHAT IS STALE").out
