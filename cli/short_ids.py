"""Ids as people read them to each other: their ends."""

from collections import defaultdict
from collections.abc import Iterable

SHORTEST = 8
"""So many characters of an id's end are shown at least: of a billion bundles and runs made at one time, the odds that another one
ends like it are one in 200,000."""


def short_ends(ids: Iterable[str]) -> dict[str, str]:
    """For each id its shortest end, of 8 characters or more, that none of the others has.

    >>> short_ends(["3MW8B6831B0TnM6jrKnaMSV9mqU", "3MW8BGnNjcnKrExUnhf2kfMSV9mqU"])
    {'3MW8B6831B0TnM6jrKnaMSV9mqU': 'aMSV9mqU', '3MW8BGnNjcnKrExUnhf2kfMSV9mqU': 'fMSV9mqU'}
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for each in ids:
        alike[each[-SHORTEST:]].append(each)
    return {each: _end(each, several) for several in alike.values() for each in several}


def _end(identity: str, several: Iterable[str]) -> str:
    length = SHORTEST
    for other in several:
        while other != identity and other.endswith(identity[-length:]):
            length += 1
    return identity[-length:]
