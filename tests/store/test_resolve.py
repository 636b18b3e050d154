"""References: how they are read, and what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import DatamonError, Invalid, NotFound
from datamon.store.bundle import Bundle, Repo
from datamon.store.opening import Store
from datamon.store.refs import create_branch, delete_label, set_label
from datamon.store.repos import create_repo
from datamon.store.resolve import Reference, find_bundle, find_by_part, parse_reference, resolve
from datamon.store.testing.commits import commit_nothing

ID = "2Q0z8hJ3bW6kR1xY5cN7vM9aT4d"
NEAR = "2Q0z8hJ3bW6kR1xY5cN7vM9aXXX"
FAR = "9aT4d8hJ3bW6kR1xY5cN7vM9a2Q"


@pytest.fixture
def repo(store: Store) -> Repo:
    return create_repo(store, "orders", "")


@pytest.fixture
def bundles(store: Store, repo: Repo) -> list[Bundle]:
    return [commit_nothing(store, repo, message=f"bundle {n}") for n in range(4)]


# -- reading


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("orders", ("orders", None, "")),
        ("orders@v1", ("orders", "v1", "")),
        ("orders@main~2", ("orders", "main~2", "")),
        ("orders@main~", ("orders", "main~", "")),
        (f"orders@{ID}", ("orders", ID, "")),
        (f"orders@{ID}~1", ("orders", f"{ID}~1", "")),
        ("orders@v1:a/b.csv", ("orders", "v1", "a/b.csv")),
        ("orders:a/b.csv", ("orders", None, "a/b.csv")),
        ("orders:a@b:c", ("orders", None, "a@b:c")),
        ("orders@v1:a@b:c", ("orders", "v1", "a@b:c")),
        ("orders:a b/ü", ("orders", None, "a b/ü")),
        ("orders:dir/", ("orders", None, "dir")),
        ("_runs@main", ("_runs", "main", "")),
        ("nai\u0308ve", ("na\u00efve", None, "")),
    ],
)
def test_a_reference_is_split_at_the_first_at_then_at_the_first_colon(
    text: str, parts: tuple[str, str | None, str]
) -> None:
    assert parse_reference(text) == Reference(*parts)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad-reference"),
        ("@v1", "bad-reference"),
        (":path", "bad-reference"),
        ("orders@", "bad-reference"),
        ("orders@:path", "bad-reference"),
        ("orders:", "bad-reference"),
        ("orders:/", "bad-reference"),
        ("orders:/etc/passwd", "bad-reference"),
        ("orders:a/../../b", "bad-reference"),
        ("orders:./a", "bad-reference"),
        ("orders:a//b", "bad-reference"),
        ("orders@main~x", "bad-reference"),
        ("orders@main~-1", "bad-reference"),
        ("orders@main~1~1", "bad-reference"),
        ("orders@~1", "bad-reference"),
        ("orders@main~٣", "bad-reference"),
        ("orders@main~1234567890", "bad-reference"),
        ("a/b@v1", "bad-name"),
        ("orders@a/b", "bad-name"),
        ("orders@v1@v2", "bad-name"),
        (f"{ID}@v1", "bad-name"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_next_step(text: str, code: str) -> None:
    with pytest.raises(Invalid, match="; ") as refusal:
        parse_reference(text)
    assert refusal.value.code == code


@given(st.text())
def test_any_text_is_a_reference_that_reads_the_same_again_or_is_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except Invalid:
        return
    assert parse_reference(str(reference)) == reference


# -- meaning


def test_a_repo_alone_is_the_head_of_main(store: Store, bundles: list[Bundle]) -> None:
    found = resolve(store, "orders")
    assert (found.bundle, found.ref, found.ref_kind, found.pinned) == (bundles[3], "main", "branch", False)


def test_a_path_is_kept_and_not_looked_for(store: Store, bundles: list[Bundle]) -> None:
    assert resolve(store, "orders:a/b").path == "a/b"
    assert resolve(store, "orders@main:a/b").path == "a/b"


def test_a_label_and_a_branch_are_what_they_point_at(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    set_label(store, repo, "v1", bundles[0].id)
    create_branch(store, repo, "trial", bundles[1].id)
    label, branch = resolve(store, "orders@v1"), resolve(store, "orders@trial")
    assert (label.bundle, label.ref, label.ref_kind, label.pinned) == (bundles[0], "v1", "label", False)
    assert (branch.bundle, branch.ref, branch.ref_kind, branch.pinned) == (bundles[1], "trial", "branch", False)


def test_an_ancestor_follows_first_parents_and_is_pinned(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    merged = commit_nothing(store, repo, parents=(bundles[3].id, bundles[0].id))
    assert resolve(store, "orders@main~0").bundle == merged
    assert resolve(store, "orders@main~").bundle == bundles[3]
    found = resolve(store, "orders@main~2")
    assert (found.bundle, found.ref, found.ref_kind, found.pinned) == (bundles[2], "main~2", "ancestor", True)
    assert resolve(store, f"orders@{bundles[2].id}~2").bundle == bundles[0]


def test_an_ancestor_before_the_first_is_not_there(store: Store, bundles: list[Bundle]) -> None:
    assert resolve(store, "orders@main~3").bundle == bundles[0]
    with pytest.raises(NotFound, match="the furthest is 'main~3'"):
        resolve(store, "orders@main~4")


def test_an_id_whole_or_shortened_at_either_end_is_pinned(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    wanted = bundles[1]
    for part in (wanted.id, wanted.id[:-1], wanted.id[-8:]):
        found = resolve(store, f"orders@{part}")
        assert (found.bundle, found.ref, found.ref_kind, found.pinned) == (wanted, None, "id", True)
        assert find_bundle(store, repo, part) == wanted


def test_an_exact_name_wins_over_a_shortened_id_and_says_so(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    name = bundles[1].id[-6:]
    assert resolve(store, f"orders@{name}").bundle == bundles[1]
    set_label(store, repo, name, bundles[2].id)
    found = resolve(store, f"orders@{name}")
    assert (found.bundle, found.ref, found.ref_kind) == (bundles[2], name, "label")
    assert found.note is not None
    assert name in found.note
    assert resolve(store, "orders@main").note is None


def test_an_id_that_is_not_there_is_not_found(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    with pytest.raises(NotFound, match="datamon bundle list --repo orders") as refusal:
        resolve(store, f"orders@{ID}")
    assert refusal.value.code == "bundle-not-found"
    with pytest.raises(NotFound):
        find_bundle(store, repo, ID)


def test_bundles_of_other_repos_are_not_considered(store: Store, bundles: list[Bundle]) -> None:
    other = create_repo(store, "parts", "")
    commit_nothing(store, other)
    with pytest.raises(NotFound):
        resolve(store, f"parts@{bundles[0].id}")
    with pytest.raises(NotFound):
        find_bundle(store, other, bundles[0].id[-8:])


def test_a_repo_without_bundles_says_how_to_make_one(store: Store, repo: Repo) -> None:
    with pytest.raises(NotFound, match="bundle upload --repo orders") as refusal:
        resolve(store, "orders")
    assert refusal.value.code == "ref-not-found"


def test_a_repo_without_main_asks_for_a_name(store: Store, repo: Repo) -> None:
    commit_nothing(store, repo, branch="trial")
    with pytest.raises(NotFound, match="has no branch 'main'"):
        resolve(store, "orders")


def test_a_ref_that_is_not_there_is_named_with_the_nearest_that_is(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    set_label(store, repo, "release", bundles[0].id)
    for text, hint in [("relase", "did you mean 'release'"), ("mian", "did you mean 'main'"), ("x", "label list")]:
        with pytest.raises(NotFound, match=hint) as refusal:
            resolve(store, f"orders@{text}")
        assert refusal.value.code == "ref-not-found"


def test_a_deleted_label_means_nothing(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    set_label(store, repo, "v1", bundles[0].id)
    delete_label(store, repo, "v1")
    with pytest.raises(NotFound):
        resolve(store, "orders@v1")


def test_a_deleted_bundle_is_not_found_and_its_parts_fit_nothing(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    gone = bundles[1].id
    store.logs.append(repo.id, lambda _: {"kind": "delete", "bundles": [gone], "reason": "test"})
    for attempt in (
        lambda: resolve(store, f"orders@{gone}"),
        lambda: resolve(store, f"orders@{gone[-8:]}"),
        lambda: resolve(store, "orders@main~2"),
        lambda: find_bundle(store, repo, gone),
        lambda: find_bundle(store, repo, gone[-8:]),
        lambda: set_label(store, repo, "v1", gone),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert resolve(store, "orders@main~3").bundle == bundles[0]


# -- parts of ids


@pytest.mark.parametrize(
    ("text", "found"),
    [(ID, ID), (NEAR, NEAR), (ID[:-1], ID), ("aT4d", ID), ("aXXX", NEAR), ("9aT4d8", FAR), ("9a2Q", FAR)],
)
def test_a_start_or_an_end_that_only_one_id_has_finds_it(text: str, found: str) -> None:
    assert find_by_part(text, [ID, NEAR, FAR]) == found


def test_a_part_that_fits_several_lists_them() -> None:
    with pytest.raises(Invalid, match="give more characters") as refusal:
        find_by_part("2Q0z", [ID, NEAR, FAR])
    assert refusal.value.code == "ambiguous-id"
    assert refusal.value.facts["candidates"] == [ID, NEAR]
    with pytest.raises(Invalid, match=f"{ID}.*{FAR}"):
        find_by_part("9aT4d", [ID, NEAR, FAR])


def test_a_part_that_fits_very_many_lists_a_few() -> None:
    with pytest.raises(Invalid, match="and 15 more"):
        find_by_part("2Q0z", [f"2Q0z{n:023d}" for n in range(20)])


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "bad-reference"), ("2Q0", "bad-reference"), ("zzzz", "bundle-not-found"), ("Q0z8", "bundle-not-found")],
)
def test_a_part_that_fits_nothing_is_refused(text: str, code: str) -> None:
    with pytest.raises(DatamonError) as refusal:
        find_by_part(text, [ID, NEAR, FAR])
    assert refusal.value.code == code


def test_a_part_of_a_runs_id_is_looked_for_among_runs() -> None:
    with pytest.raises(NotFound) as refusal:
        find_by_part("zzzz", [ID], kind="run")
    assert refusal.value.code == "run-not-found"
