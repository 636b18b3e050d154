"""What lies at a URL as the paths of a tree, once each is known to have a place in one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from datamon.errors import Invalid
from datamon.store.entries import NO_CONTENT, TreeEntry, clean_path
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.external.urls import Url
from datamon.store.name_filter import check_filter

_DIRECTORY_MODE = 0o755
_NEXT_STEP = "leave it out with --name-filter, or rename it there"


def gather(sources: Sources, url: Url, top: str = "", pattern: str = "") -> list[Listed]:
    """What lies at the URL, or beneath it, by the paths that it gets in a tree, sorted: one thing has the path `top`, or its own
    name; several lie below `top`. Of several only those in whose paths (below the URL) the regular expression `pattern` finds
    something.

    Raises Invalid: `unsafe-path` when a name would leave the tree, is there twice, or is a file's and a directory's at once;
    `bad-path`, `bad-argument`; and as `Source.find` does.
    """
    above, finds = clean_path(top), check_filter(pattern).search
    found = []
    for listed in sources.of(url).find(url):
        if not listed.path:
            path = above or listed.url.name
            if not path:
                raise Invalid("bad-path", f"{url} has no name of its own; give it one with --path", url=url.text)
        elif not finds(listed.path):
            continue
        else:
            path = f"{above}/{listed.path}" if above else listed.path
        _check_path(listed.url, path)
        found.append(replace(listed, path=path))
    found.sort(key=lambda listed: listed.path)
    _check_unique(found)
    return found


def with_directories(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """The entries and the directories above them that are missing, each as old as the newest entry below it."""
    held = {entry.path: entry for entry in entries}
    missing = missing_directories({entry.path: entry.mtime_ns for entry in held.values()})
    return [*held.values(), *(directory(path, mtime_ns) for path, mtime_ns in missing.items())]


def missing_directories(times_ns: Mapping[str, int]) -> dict[str, int]:
    """The directories above these paths that are none of them, with their times; each is as new as the newest path below it.

    >>> missing_directories({"a/b/c": 1, "a/d": 2, "e": 3})
    {'a/b': 1, 'a': 2}
    """
    missing: dict[str, int] = {}
    for path, time_ns in times_ns.items():
        for above in parents(path):
            if above not in times_ns:
                missing[above] = max(missing.get(above, 0), time_ns)
    return missing


def directory(path: str, mtime_ns: int, mode: int = _DIRECTORY_MODE) -> TreeEntry:
    """A directory as an entry."""
    return TreeEntry(path, "dir", 0, NO_CONTENT, None, None, False, mode, mtime_ns)


def parents(path: str) -> Iterator[str]:
    """The directories above `path`, the nearest first, without the top.

    >>> list(parents("a/b/c"))
    ['a/b', 'a']
    """
    while path := path.rpartition("/")[0]:
        yield path


def _check_path(url: Url, path: str) -> None:
    unsafe = "\0" in path or any(part in ("", ".", "..") for part in path.split("/"))
    if unsafe or any(0xD800 <= ord(char) < 0xE000 for char in path):
        raise _unsafe(url, path, "cannot be the path of a file")


def _check_unique(found: list[Listed]) -> None:
    kinds: dict[str, bool] = {}
    for listed in found:
        if listed.path in kinds:
            raise _unsafe(listed.url, listed.path, "is there twice")
        kinds[listed.path] = listed.directory
    for listed in found:
        if any(kinds.get(above) is False for above in parents(listed.path)):
            raise _unsafe(listed.url, listed.path, "lies below a name that is also a file's")


def _unsafe(url: Url, path: str, fault: str) -> Invalid:
    shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return Invalid("unsafe-path", f"the name {shown!r} at {url} {fault}; {_NEXT_STEP}", url=url.text, path=shown)
