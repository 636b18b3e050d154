"""Why a backend of several sides refuses a write, in errors that say what to do."""

from collections.abc import Mapping, Sequence

from datamon.errors import DatamonError, Unavailable
from datamon.store.backend.arbiter import Epoch
from datamon.store.backend.sides import Heard


def too_few(needed: int, key: str, count: int, failures: Mapping[str, DatamonError]) -> Unavailable:
    """Only `count` of the `needed` sides have what is under the key; `failures` say why others have not."""
    heard: Heard[object] = Heard({}, failures)
    why = f" ({heard.told()})" if failures else " (the others have lost the store, or missed a promotion)"
    message = (
        f"{key} stands on {count} of the {needed} sides that must have it{why}; "
        "run `datamon repair` when all sides can be reached, or write with --degraded"
    )
    return Unavailable("too-few-sides", message, key=key, sides=list(failures))


def first_lost(key: str, first: str, why: str) -> Unavailable:
    """The side that decides on the key does not."""
    message = (
        f"{key} needs the side {first!r}, which decides on the store's logs ({why.partition('; ')[0]}); "
        "try again later, run `datamon repair`, or let another decide with `datamon store promote`"
    )
    return Unavailable("first-side-lost", message, key=key, side=first)


def epoch_passed(key: str, epoch: Epoch) -> Unavailable:
    """Another side decides by now."""
    message = f"the side {epoch.first!r} was promoted before {key} was acknowledged; look again, then decide"
    return Unavailable("epoch-passed", message, key=key, epoch=str(epoch))


def differing(key: str, names: Sequence[str]) -> Unavailable:
    """These sides have other bytes under the key."""
    message = f"{', '.join(names)} has another {key} than the side that decides; run `datamon repair`"
    return Unavailable("sides-differ", message, key=key, sides=list(names))
