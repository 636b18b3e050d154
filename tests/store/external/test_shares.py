"""Shares: whatever was listed is in them, each file once, and none has much more to do than the others."""

from hypothesis import given
from hypothesis import strategies as st

from datamon.store.external.gather import parents
from datamon.store.external.shares import MOST_SHARES, SHARE_BYTES, SHARE_FILES, Share, count_of, cut, shares_wanted
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import parse_url

TOP = parse_url("https://example.org/data/")
PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
SIZES = st.one_of(st.none(), st.integers(0, 10), st.integers(0, 10**9))


def listed(path: str, size_bytes: int | None, *, proof: str | None = "e", directory: bool = False) -> Listed:
    return Listed(path, TOP, Status(size_bytes, len(path), proof=proof), directory=directory)


@st.composite
def listings(draw: st.DrawFn) -> list[Listed]:
    """A listing as `gather` gives it: sorted, no name twice, no file above another; some directories are listed."""
    leaves = draw(st.dictionaries(PATHS, SIZES, max_size=40))
    above = {path for leaf in leaves for path in parents(leaf)}
    files = [listed(path, size) for path, size in leaves.items() if path not in above]
    told = draw(st.sets(st.sampled_from(sorted(above)))) if above else set()
    empty = draw(st.sets(PATHS.map(lambda path: f"empty/{path}"), max_size=4))
    directories = [listed(path, 0, directory=True) for path in told | empty]
    return sorted([*files, *directories], key=lambda each: each.path)


@given(listings(), st.integers(1, 12))
def test_each_file_is_in_exactly_one_share_and_each_directory_wherever_something_lies_below_it(
    found: list[Listed], count: int
) -> None:
    shares = cut(found, count, TOP)
    assert [(share.number, share.count) for share in shares] == [(number, count) for number in range(1, count + 1)]
    files = [each for share in shares for each in share.listed if not each.directory]
    assert files == [each for each in found if not each.directory]
    directories = {each.path: each for share in shares for each in share.listed if each.directory}
    assert {each.path: each for each in found if each.directory}.items() <= directories.items()
    assert directories.keys() == {above for each in found for above in parents(each.path)} | {
        each.path for each in found if each.directory
    }
    for share in shares:
        paths = [each.path for each in share.listed]
        assert paths == sorted(set(paths))
        assert {above for path in paths for above in parents(path)} <= set(paths)
        assert all(directories[each.path] == each for each in share.listed if each.directory)


@given(listings(), st.integers(1, 12))
def test_no_share_has_more_than_the_average_and_the_largest_file(found: list[Listed], count: int) -> None:
    """A file counts as 64 KiB more than it has, and so does an empty directory."""
    shares = cut(found, count, TOP)

    def weight(share: Share) -> int:
        below = {above for each in share.listed for above in parents(each.path)}
        return sum(
            (each.at.size_bytes or 0) + 65_536 for each in share.listed if not each.directory or each.path not in below
        )

    weights = [weight(share) for share in shares]
    largest = max(((each.at.size_bytes or 0) + 65_536 for each in found), default=0)
    assert all(each <= sum(weights) / count + largest for each in weights)


@given(listings(), st.integers(1, 12), st.integers(0, 39))
def test_the_tag_of_a_share_changes_with_every_file_of_it_and_of_no_other(
    found: list[Listed], count: int, place: int
) -> None:
    files = [each for each in found if not each.directory]
    if not files:
        return
    chosen = files[place % len(files)]
    changed = [listed(each.path, each.at.size_bytes, proof="f") if each is chosen else each for each in found]
    for before, after in zip(cut(found, count, TOP), cut(changed, count, TOP), strict=True):
        assert (before.tag == after.tag) == (chosen not in before.listed)
        assert before.name == after.name
        assert count_of(before.name) == count


def test_what_no_place_proves_is_not_proven() -> None:
    proven, unproven = listed("a", 1), listed("b", 1, proof=None)
    directory = listed("c", 0, proof=None, directory=True)
    assert Share(1, 1, (proven, directory)).is_proven
    assert not Share(1, 1, (proven, unproven)).is_proven


def test_there_are_as_many_shares_as_keep_all_cores_busy_and_no_larger_ones_than_can_be_repeated() -> None:
    few = [listed(f"{number}", 1) for number in range(3)]
    assert shares_wanted([], 8) == 1
    assert shares_wanted(few, 8) == 3
    assert shares_wanted(few, 2) == 2
    assert shares_wanted([listed(f"{number}", SHARE_BYTES) for number in range(20)], 2) == 20
    assert shares_wanted([listed(f"{number}", 0) for number in range(3 * SHARE_FILES + 1)], 2) == 4
    assert shares_wanted([listed(f"{number}", SHARE_BYTES) for number in range(2 * MOST_SHARES)], 2) == MOST_SHARES
