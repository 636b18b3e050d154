"""Threads, processes and commands that a run starts are inside it: the run is carried along to where they begin.

A thread or a process begins without its starter's context, so the starting itself is what must be told. Once `carry` was called,
these pass on the run that they were called in: `Thread.start`, `ThreadPoolExecutor.submit` and `ProcessPoolExecutor.submit` (also
through `map` and asyncio), the start of a `multiprocessing.Process` by whichever method, and `subprocess.Popen`. The workers of a
`multiprocessing.Pool` are inside the run that made the pool. What is started past these (`os.fork`, `os.system`) is not told.
"""

import inspect
import subprocess
import threading
from collections.abc import Callable, Mapping
from functools import cache, partial, wraps
from typing import Any

from datamon.lineage.nesting import PARENT_VARIABLE, Here, here, within


@cache
def carry(environment: Callable[[], Mapping[str, str]]) -> None:
    """From now on, what this process starts inside a run is inside it. `environment` gives the process's own variables, which a
    command inherits that is given none. Asked again, changes nothing."""
    _carry_into_threads()
    _carry_into_pools()
    _carry_into_processes()
    _carry_into_commands(environment)


def call_within(place: Here | None, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `function` returns when it is called inside `place`."""
    with within(place):
        return function(*args, **kwargs)


def _carry_into_threads() -> None:
    start = threading.Thread.start

    @wraps(start)
    def carrying(thread: threading.Thread) -> None:
        place = here()
        if place is not None:
            thread.run = partial(call_within, place, thread.run)  # type: ignore[method-assign]
        start(thread)

    threading.Thread.start = carrying  # type: ignore[method-assign, assignment]


def _carry_into_pools() -> None:
    # Importing one brings multiprocessing, 20 ms, which is paid where steps are made and not by the daily commands.
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    for pool in (ThreadPoolExecutor, ProcessPoolExecutor):
        pool.submit = _carrying_submit(pool.submit)  # type: ignore[method-assign]


def _carrying_submit(submit: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(submit)
    def carrying(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return submit(pool, partial(call_within, here(), function), *args, **kwargs)

    return carrying


def _carry_into_processes() -> None:
    from multiprocessing.process import BaseProcess

    start = BaseProcess.start

    @wraps(start)
    def carrying(process: BaseProcess) -> None:
        place = here()
        if place is not None:
            # By the class, not the bound method: a process that is spawned is pickled, and so is this.
            process.run = partial(call_within, place, type(process).run, process)  # type: ignore[method-assign]
        start(process)

    BaseProcess.start = carrying  # type: ignore[method-assign, assignment]


def _carry_into_commands(environment: Callable[[], Mapping[str, str]]) -> None:
    begin = subprocess.Popen.__init__
    signature = inspect.signature(begin)

    @wraps(begin)
    def carrying(self: Any, *args: Any, **kwargs: Any) -> None:
        place = here()
        if place is None:
            return begin(self, *args, **kwargs)
        given = signature.bind(self, *args, **kwargs)
        inherited = environment()
        variables = given.arguments.get("env")
        variables = inherited if variables is None else variables
        # One that was put there on purpose, as a recorder does for its command, stays.
        if variables.get(PARENT_VARIABLE) == inherited.get(PARENT_VARIABLE):
            variables = {**variables, PARENT_VARIABLE: "/".join(place)}
        given.arguments["env"] = variables
        return begin(*given.args, **given.kwargs)

    subprocess.Popen.__init__ = carrying  # type: ignore[method-assign]
