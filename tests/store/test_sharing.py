"""Sequences and mappings that share their parts say what plain ones would."""

from hypothesis import given
from hypothesis import strategies as st

from datamon.store.sharing import Deferred, Found, Joined, JoinedMap


@given(first=st.lists(st.integers()), more=st.lists(st.lists(st.integers(), max_size=5), max_size=30))
def test_a_sequence_that_grew_is_the_plain_one_and_leaves_the_shorter_ones_as_they_were(
    first: list[int], more: list[list[int]]
) -> None:
    grown: list[Joined[int]] = [Joined(Deferred(len(first), lambda at: first[at]))]
    plain = [first]
    for each in more:
        grown.append(grown[-1].with_more(each))
        plain.append([*plain[-1], *each])
    for one, other in zip(grown, plain, strict=True):
        assert one == other
        assert list(one) == other
        assert list(reversed(one)) == other[::-1]
        assert one[len(other) // 2 :] == other[len(other) // 2 :]
        assert [one[at] for at in range(-len(other), len(other))] == other * 2
        assert one != [*other, 0]
        assert repr(one) == repr(other)


@given(
    first=st.dictionaries(st.integers(0, 30), st.integers()),
    more=st.lists(st.dictionaries(st.integers(0, 60), st.integers(), max_size=5), max_size=30),
)
def test_a_mapping_that_grew_is_the_plain_one_and_leaves_the_smaller_ones_as_they_were(
    first: dict[int, int], more: list[dict[int, int]]
) -> None:
    places = {key: -key for key in first}
    grown: list[JoinedMap[int, int]] = [JoinedMap(Found(places, lambda key, place: first[-place] + 0 * key))]
    plain = [first]
    for each in more:
        grown.append(grown[-1].with_more(each))
        plain.append({**plain[-1], **each})
    for one, other in zip(grown, plain, strict=True):
        assert one == other
        assert list(one.items()) == list(other.items())
        assert len(one) == len(other)
        assert [one.get(key) for key in range(62)] == [other.get(key) for key in range(62)]
        assert [key in one for key in range(62)] == [key in other for key in range(62)]


def test_growing_by_one_a_thousand_times_keeps_few_parts() -> None:
    sequence: Joined[int] = Joined()
    mapping: JoinedMap[int, int] = JoinedMap()
    for number in range(1000):
        sequence = sequence.with_more([number])
        mapping = mapping.with_more({number: number})
    assert (len(sequence.parts), len(mapping.parts)) <= (10, 10)
