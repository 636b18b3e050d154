"""Repos: made once, found by name, listed by name."""

import pytest

from datamon.errors import Conflict, Invalid, NotFound
from datamon.store.bundle import Author
from datamon.store.opening import Store
from datamon.store.repos import create_repo, find_repo, list_repos, rename_repo, runs_repo
from datamon.store.resolve import resolve
from datamon.store.testing.commits import commit_nothing

HOSTILE_NAMES = {
    "empty": "",
    "slash": "a/b",
    "space": "a b",
    "only spaces": "  ",
    "newline": "a\nb",
    "control": "a\x07",
    "nul": "a\x00b",
    "at": "a@b",
    "colon": "a:b",
    "tilde": "a~1",
    "dot": ".",
    "dots": "..",
    "hidden": ".hidden",
    "dash": "-rf",
    "underscore": "_runs2",
    "300 characters": "n" * 300,
    "129 bytes": "é" * 64 + "n",
    "id": "2Q0z8hJ3bW6kR1xY5cN7vM9aT4d",
    "right to left": "abc\u202edef",
    "zero width": "a\u200bb",
    "emoji": "data📦",
    "surrogate": "a\udcff",
    "backslash": "a\\b",
    "quote": "a'b",
    "percent": "a%2fb",
    "star": "*",
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
def test_a_repo_cannot_have_a_hostile_name(name: str, store: Store) -> None:
    with pytest.raises(Invalid) as refusal:
        create_repo(store, name, "")
    assert refusal.value.code == "bad-name"
    assert list_repos(store) == []
    assert store.logs.store().entries == ()


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
def test_a_hostile_name_is_not_looked_for(name: str, store: Store) -> None:
    with pytest.raises(Invalid) as refusal:
        find_repo(store, name)
    assert refusal.value.code == "bad-name"


@pytest.mark.parametrize("name", ["a", "0", "orders-2026.v1_b", "naïve", "данные", "数据", "n" * 128])
def test_a_repo_may_have_a_name_in_any_script(name: str, store: Store) -> None:
    repo = create_repo(store, name, "what it is")
    assert find_repo(store, name) == repo
    assert repo.name == name
    assert repo.description == "what it is"
    assert repo.author == store.author


def test_two_spellings_of_one_name_are_one_repo(store: Store) -> None:
    repo = create_repo(store, "nai\u0308ve", "")
    assert find_repo(store, "na\u00efve") == repo
    with pytest.raises(Conflict):
        create_repo(store, "na\u00efve", "")


def test_a_repo_that_exists_is_refused_and_nothing_is_written(store: Store) -> None:
    create_repo(store, "orders", "first")
    with pytest.raises(Conflict, match="choose another name") as refusal:
        create_repo(store, "orders", "second")
    assert refusal.value.code == "repo-exists"
    assert [repo.description for repo in list_repos(store)] == ["first"]
    assert len(store.logs.store().entries) == 1
    assert len(store.journal.read({})[0]) == 1


def test_repos_are_listed_by_name(store: Store) -> None:
    for name in ["b", "a", "C"]:
        create_repo(store, name, "")
    assert [repo.name for repo in list_repos(store)] == ["C", "a", "b"]


def test_a_repo_that_is_not_there_is_named_with_the_nearest_that_is(store: Store) -> None:
    with pytest.raises(NotFound, match="datamon repo list") as nothing:
        find_repo(store, "orders")
    assert nothing.value.code == "repo-not-found"
    create_repo(store, "orders", "")
    with pytest.raises(NotFound, match="did you mean 'orders'"):
        find_repo(store, "ordes")


def test_the_hidden_repo_of_runs_is_in_every_store_and_shown_only_when_asked_for(store: Store) -> None:
    create_repo(store, "orders", "")
    assert [repo.name for repo in list_repos(store)] == ["orders"]
    assert [repo.name for repo in list_repos(store, system=True)] == ["_runs", "orders"]
    assert find_repo(store, "_runs") == runs_repo(store)
    assert runs_repo(store).id == store.id


def test_nobody_can_make_the_hidden_repo(store: Store) -> None:
    with pytest.raises(Invalid):
        create_repo(store, "_runs", "")


def test_a_description_that_is_no_text_is_refused(store: Store) -> None:
    with pytest.raises(Invalid, match="not UTF-8") as refusal:
        create_repo(store, "orders", "caf\udce9")
    assert refusal.value.code == "bad-argument"
    assert list_repos(store) == []


def test_a_repo_knows_who_made_it_and_when(store: Store) -> None:
    repo = create_repo(store, "orders", "")
    assert repo.author == Author("Ada", "ada@example.org")
    assert repo.created_ns == store.logs.store().entries[0].time_ns


def test_a_renamed_repo_keeps_everything_but_its_name(store: Store) -> None:
    repo = create_repo(store, "orders", "what it is")
    bundle = commit_nothing(store, repo, label="v1")
    renamed = rename_repo(store, repo, "sales")
    assert renamed == find_repo(store, "sales")
    assert (renamed.id, renamed.description, renamed.author) == (repo.id, "what it is", repo.author)
    assert resolve(store, "sales@v1").bundle == bundle
    with pytest.raises(NotFound, match=r"'orders' was renamed to 'sales' by Ada .*; use 'sales'"):
        resolve(store, "orders@v1")


def test_the_old_name_of_a_renamed_repo_is_free(store: Store) -> None:
    repo = create_repo(store, "orders", "")
    rename_repo(store, repo, "sales")
    other = create_repo(store, "orders", "")
    assert find_repo(store, "orders") == other
    with pytest.raises(Conflict, match="a repo 'orders' exists"):
        rename_repo(store, find_repo(store, "sales"), "orders")
    rename_repo(store, rename_repo(store, other, "third"), "fourth")
    with pytest.raises(NotFound, match="renamed to 'fourth'"):
        find_repo(store, "third")


def test_renaming_a_repo_to_its_own_name_writes_nothing(store: Store) -> None:
    repo = create_repo(store, "orders", "")
    assert rename_repo(store, repo, "orders") == repo
    assert len(store.logs.store().entries) == 1


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
def test_a_repo_cannot_be_renamed_to_a_hostile_name(name: str, store: Store) -> None:
    repo = create_repo(store, "orders", "")
    with pytest.raises(Invalid):
        rename_repo(store, repo, name)


def test_the_hidden_repo_cannot_be_renamed(store: Store) -> None:
    with pytest.raises(NotFound, match="datamon's own"):
        rename_repo(store, runs_repo(store), "runs")
