"""`datamon bundle promote`: from the store in use to that of another context."""

import json
from collections.abc import Callable

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
Golden = Callable[[str, str], None]
PROMOTE = ("bundle", "promote", "--repo", "orders", "--to", "prod")


@pytest.fixture
def ada(orders: Shell, inside: Inside) -> Shell:
    """A person with a repo `orders` in the default store, and a context `prod`."""
    inside(orders, "context", "create", "--context", "prod", "--metadata", "./prod").good()
    return orders


def test_what_it_prints(ada: Shell, inside: Inside, golden: Golden) -> None:
    lines = [
        (*PROMOTE,),
        (*PROMOTE, "--label", "init", "--create-repo", "--to-label", "live", "--message", "tested"),
        (*PROMOTE, "--to-label", "live2"),
        ("bundle", "get", "--repo", "orders", "--context", "prod"),
        ("bundle", "get", "--repo", "orders", "--context", "prod", "--label", "live2", "--format", "json"),
        ("bundle", "get", "--repo", "orders"),
        ("bundle", "list", "--repo", "orders", "--context", "prod"),
        ("label", "list", "--repo", "orders", "--context", "prod"),
        ("repo", "list", "--context", "prod"),
        (*PROMOTE, "--to-repo", "order"),
        (*PROMOTE[:-1], "prd"),
        (*PROMOTE, "--label", "init", "--branch", "main"),
        (*PROMOTE, "--label", "inti"),
        (*PROMOTE, "--to-label", "a/b"),
    ]
    shown = ""
    for line in lines:
        ran = inside(ada, *line)
        shown += f"$ datamon {' '.join(line)}\n{ran.out}{ran.err}" + (f"[{ran.code}]\n" if ran.code else "")
    golden("promote", shown.replace(str(ada.cwd.parent), "<root>"))


def test_the_files_arrive_and_the_source_stays_as_it_is(ada: Shell, inside: Inside) -> None:
    before = inside(ada, "bundle", "list", "--repo", "orders").good()
    inside(ada, *PROMOTE, "--create-repo").good()
    inside(ada, "bundle", "download", "--repo", "orders", "--destination", "copy", "--context", "prod").good()
    for file in (ada.cwd / "tree").iterdir():
        assert (ada.cwd / "copy" / file.name).read_text() == file.read_text()
    assert inside(ada, "bundle", "list", "--repo", "orders").good() == before
    assert inside(ada, "check", "--context", "prod").code == 0


def test_from_one_machine_through_a_bucket_to_another(emulator: str, ada: Shell, inside: Inside) -> None:
    team = ada.having(STORAGE_EMULATOR_HOST=emulator, DATAMON_GLOBAL_CONFIG="gs://team/config")
    places = ("--metadata", "gs://team/prod/m", "--blob", "gs://team/prod/b")
    inside(team, "context", "create", "--context", "cloud", *places, "--shared", "--init").good()
    line = ("bundle", "promote", "--repo", "orders", "--to", "cloud", "--create-repo", "--to-label", "v1")
    made = inside(team, *line, "--format", "json")
    assert made.code == 0, made.err
    [bundle] = json.loads(made.out)
    [original] = bundle["from"]
    assert (original["repo"], original["author"], bundle["message"]) == ("orders", "Ada", "first")
    bob = Shell(ada.cwd.parent / "bob", ada.cwd, team.variables).having(DATAMON_CONTEXT="cloud")
    bob.home.mkdir()
    assert inside(bob, "label", "list", "--repo", "orders").good()[0].startswith(f"v1 , {bundle['id']} , ")
    inside(bob, "context", "create", "--context", "mine", "--metadata", "./mine").good()
    inside(bob, "bundle", "promote", "--repo", "orders", "--to", "mine", "--create-repo").good()
    shown = inside(bob, "bundle", "get", "--repo", "orders", "--context", "mine").good()
    assert [line.split(" ")[1].partition("@")[2] for line in shown[1:]] == [bundle["id"], original["bundle"]]


def test_a_bucket_that_is_not_there_is_told(emulator: str, ada: Shell, inside: Inside) -> None:
    team = ada.having(STORAGE_EMULATOR_HOST=emulator)
    ran = inside(team, "context", "create", "--context", "x", "--metadata", "gs://no-such-bucket")
    assert (ran.code, ran.out) == (7, "")
    assert "no-such-bucket" in ran.sentence
    assert ran.sentence.endswith("; --unchecked writes the context all the same")
    inside(team, "context", "create", "--context", "x", "--metadata", "gs://no-such-bucket", "--unchecked").good()
