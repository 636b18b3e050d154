"""Files by path in the store that the settings name, recorded in the run that the caller is inside."""

import os
from functools import cache
from typing import IO, Any, NamedTuple

from datamon.cli.environment import process_environment
from datamon.cli.session import session_now
from datamon.errors import Invalid, NotFound
from datamon.lineage.path_use import InRuns
from datamon.store.opening import Store
from datamon.store.paths.address import Address, parse_address
from datamon.store.paths.files import PathReader, PathText, PathWriter
from datamon.store.paths.paths import Paths

_MODES = {"r": "r", "w": "w", "x": "x", "rt": "r", "wt": "w", "xt": "x", "rb": "rb", "wb": "wb", "xb": "xb"}


class Text(NamedTuple):
    """How text is encoded, as `open` takes it."""

    encoding: str | None = None
    errors: str | None = None
    newline: str | None = None


def open_path(path: str | os.PathLike[str], mode: str, text: Text, message: str | None = None) -> IO[Any]:
    """The file at a path, as `datamon.open` says."""
    kind = _MODES.get(mode)
    if kind is None:
        raise Invalid(
            "bad-argument", f"there is no mode {mode!r} for a path; there are {', '.join(_MODES)}", argument="mode"
        )
    if kind.endswith("b") and any(each is not None for each in text):
        raise Invalid("bad-argument", "bytes have no encoding; open the file as text ('r', 'w')", argument="encoding")
    paths = paths_of(session_now().store)
    address = parse_address(os.fspath(path))
    plain = _opened(paths, address, kind, message)
    return plain if kind.endswith("b") else PathText(plain, text.encoding or "utf-8", text.errors, text.newline)


def paths_of(store: Store) -> Paths:
    """The files of the store: the same of one open store in one process."""
    return _paths(_Key(store), os.getpid())


def _opened(paths: Paths, address: Address, kind: str, message: str | None) -> Any:
    if kind.startswith("r"):
        return PathReader(paths.open(address))
    if kind.startswith("x") and _is_there(paths, address):
        raise FileExistsError(f"there is something at {address}")
    return PathWriter(paths, paths.writing(address, message=message), address.path)


def _is_there(paths: Paths, address: Address) -> bool:
    try:
        return paths.entry(address) is not None
    except NotFound as error:
        if error.code == "ref-not-found":  # the branch will begin with the file
            return False
        raise


class _Key:
    """A store, by which open one it is."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.store is other.store

    def __hash__(self) -> int:
        return id(self.store)


@cache
def _paths(key: _Key, process: int) -> Paths:  # noqa: ARG001 (the process is part of the key)
    return Paths(key.store, InRuns(key.store, process_environment))
