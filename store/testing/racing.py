"""Racers for one branch and one label in a bucket, each in a process of its own."""

from datamon.store.bundle import Author
from datamon.store.opening import Places, Store, open_store
from datamon.store.refs import set_label
from datamon.store.repos import find_repo
from datamon.store.testing.commits import commit_nothing

PLACES = Places("gs://racing/metadata", "gs://racing/blob")


def opened_to_race(racer: int) -> Store:
    """The store, as one racer opens it."""
    return open_store(PLACES, Author(f"racer {racer}", "racer@example.org"))


def race(racer: int, turns: int) -> list[str]:
    """Commits to the branch and moves the label to what was committed, so many times; gives the bundles."""
    store = opened_to_race(racer)
    repo = find_repo(store, "shared")
    made: list[str] = []
    for turn in range(turns):
        bundle = commit_nothing(store, repo, message=f"{racer} {turn}")
        set_label(store, repo, "latest", bundle.id)
        made.append(bundle.id)
    return made
