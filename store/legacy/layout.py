"""The names under which the first datamon kept its records. No other module spells one."""

import re
from collections.abc import Iterable

REPOS = "repos/"
BUNDLES = "bundles/"
_REPO = re.compile(r"repos/(?P<repo>[^/]+)/repo\.yaml")
_BUNDLE = re.compile(r"bundles/(?P<repo>[^/]+)/(?P<id>[^/]+)/(?:bundle|bundle-files-(?P<list>[0-9]{1,9}))\.yaml")
_DIAMOND = re.compile(r"diamonds/(?P<repo>[^/]+)/(?P<id>[^/]+)/(?P<rest>.+)")


def repo_record(repo: str) -> str:
    """The record of a repo."""
    return f"{REPOS}{repo}/repo.yaml"


def bundles(repo: str) -> str:
    """What lies below this belongs to bundles of the repo."""
    return f"{BUNDLES}{repo}/"


def bundle_record(repo: str, bundle: str) -> str:
    """The record of a bundle, which the first datamon wrote last."""
    return f"{BUNDLES}{repo}/{bundle}/bundle.yaml"


def file_list(repo: str, bundle: str, number: int) -> str:
    """List `number`, from 0, of the files of a bundle."""
    return f"{BUNDLES}{repo}/{bundle}/bundle-files-{number}.yaml"


def labels(repo: str) -> str:
    """What lies below this are labels of the repo."""
    return f"labels/{repo}/"


def diamonds(repo: str) -> str:
    """What lies below this are diamonds of the repo."""
    return f"diamonds/{repo}/"


def context_record(context: str) -> str:
    """The record of a context, in a configuration bucket."""
    return f"contexts/{context}/context.yaml"


def label_of(repo: str, name: str) -> str | None:
    """The label whose record has this name.

    >>> label_of("orders", "labels/orders/v1/label.yaml")
    'v1'
    """
    lead, tail = labels(repo), "/label.yaml"
    return name[len(lead) : -len(tail)] if name.startswith(lead) and name.endswith(tail) else None


def repos_in(names: Iterable[str]) -> list[str]:
    """The repos that have a record among these names, in order."""
    return sorted(match["repo"] for match in map(_REPO.fullmatch, names) if match)


def lists_in(names: Iterable[str]) -> dict[str, dict[str, set[int]]]:
    """By repo and bundle, which of its parts are among these names: the numbers of its file lists, and -1 for its record."""
    found: dict[str, dict[str, set[int]]] = {}
    for match in filter(None, map(_BUNDLE.fullmatch, names)):
        parts = found.setdefault(match["repo"], {}).setdefault(match["id"], set())
        parts.add(-1 if match["list"] is None else int(match["list"]))
    return found


def open_diamonds_in(names: Iterable[str]) -> dict[str, int]:
    """The diamonds that have begun and not ended, with the number of their splits."""
    parts: dict[str, set[str]] = {}
    for match in filter(None, map(_DIAMOND.fullmatch, names)):
        parts.setdefault(match["id"], set()).add(match["rest"])
    return {
        diamond: len({rest.split("/")[1] for rest in rests if rest.startswith("splits/")})
        for diamond, rests in parts.items()
        if "diamond-done.yaml" not in rests
    }
