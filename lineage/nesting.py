"""Which run a new run is part of: the one whose function, block or command it is opened in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise

from datamon.store.ids import RunId, is_ksuid
from datamon.store.opening import Store

PARENT_VARIABLE = "DATAMON_PARENT_RUN"
"""The environment variable that tells a run's command which run it is: `<store id>/<run id>`."""
VIEW_VARIABLE = "DATAMON_VIEW"
"""The environment variable by which every process of a replay works on its view of the store."""

Here = tuple[str, RunId]
"""The run that something runs inside: its store's id and its own."""

_open: list[tuple[Here, Here | None]] = []
"""The runs that are open in blocks of this process, in the order of their beginnings, each with what it is inside."""
_current: ContextVar[Here | None] = ContextVar("datamon_current_run", default=None)
_heard: ContextVar[list[RunId] | None] = ContextVar("datamon_heard_runs", default=None)


def parent_for(store: Store, variables: Mapping[str, str]) -> RunId | None:
    """The run of this store that runs here now: in this context (thread or task), else the one whose command this process is."""
    current = _current.get()
    if current is not None:
        return current[1] if current[0] == store.id else None
    identity, _, run = variables.get(PARENT_VARIABLE, "").partition("/")
    return RunId(run) if identity == store.id and is_ksuid(run) else None


def parent_text(store: Store, run: RunId) -> str:
    """What `PARENT_VARIABLE` holds for the command of `run`."""
    return f"{store.id}/{run}"


def here() -> Here | None:
    """What runs in this context now; None when nothing in this process does."""
    return _current.get()


@contextmanager
def within(place: Here | None) -> Iterator[None]:
    """In this context it is, until the block ends, as it was where `here` gave `place`."""
    token = _current.set(place)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def hearing_of() -> Iterator[list[RunId]]:
    """The ids of the runs that are opened in this context before it ends, in order: the first is that of what is called in it."""
    heard: list[RunId] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def tell_of(run: RunId) -> None:
    """A run was opened: who listens hears of it."""
    heard = _heard.get()
    if heard is not None:
        heard.append(run)


@contextmanager
def inside(store: Store, run: RunId) -> Iterator[None]:
    """Runs opened in this context, and before it ends, are parts of `run`."""
    begun = ((store.id, run), _current.get())
    _open.append(begun)
    try:
        with within((store.id, run)):
            yield
    finally:
        _open.remove(begun)


def innermost() -> Here | None:
    """What a thread that was not started by Python is inside, such as those of a library in C++: the innermost of the runs that
    are open in this process, if each is inside the one before; None where several are open beside each other, or none is."""
    runs = list(_open)
    nested = all(above == before for (before, _), (_, above) in pairwise(runs))
    return runs[-1][0] if runs and nested else None
