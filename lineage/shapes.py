"""A step in the shape of its function: a call, a coroutine, a generator or an async generator, recorded until it has ended."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Protocol

from datamon.lineage.calls import Call, Declared, again, recorded
from datamon.lineage.inside import Recorder
from datamon.lineage.records import Param
from datamon.lineage.reuse.claim import Busy, not_waiting

_MOMENT_S = 0.02


class Prepare(Protocol):
    """Binds the arguments of one call."""

    def __call__(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Recorder, inspect.BoundArguments, tuple[Param, ...]]:
        """The recorder of the call, its arguments and its params. Raises TypeError, Invalid."""


def is_generator(function: Callable[..., Any]) -> bool:
    """Whether calls give values one after the other."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def shaped(declared: Declared, prepare: Prepare) -> Callable[..., Any]:
    """The recorded function, of the same shape as the plain one, so that whoever looks at it treats it alike."""
    code = inspect.unwrap(declared.function)
    if inspect.isasyncgenfunction(code):
        made: Callable[..., Any] = _async_generator(declared, prepare)
    elif inspect.iscoroutinefunction(code):
        made = _coroutine(declared, prepare)
    elif inspect.isgeneratorfunction(code):
        made = _generator(declared, prepare)
    else:
        made = _plain(declared, prepare)
    return functools.wraps(declared.function)(made)


def _plain(declared: Declared, prepare: Prepare) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        recorder, given, params = prepare(args, kwargs)
        trying = declared
        while True:
            call: Call | None = None
            try:
                with recorded(recorder, trying, given, params) as call:
                    if call.has_begun:
                        with call.at_work():
                            call.returned = call.begin()
                return call.returned
            except Exception:  # noqa: BLE001 (it goes on unless there is another attempt)
                trying = _next(trying, call)

    return called


def _coroutine(declared: Declared, prepare: Prepare) -> Callable[..., Any]:
    async def called(*args: Any, **kwargs: Any) -> Any:
        recorder, given, params = prepare(args, kwargs)
        trying = declared
        while True:
            call: Call | None = None
            try:
                with recorded(recorder, trying, given, params, not_waiting) as call:
                    if call.has_begun:
                        with call.at_work():
                            call.returned = await call.begin()
                return call.returned
            except Busy:
                await _moment()
            except Exception:  # noqa: BLE001 (it goes on unless there is another attempt)
                trying = _next(trying, call)

    return called


async def _moment() -> None:
    """The other tasks of the event loop, of which one may be what is waited for, have had a moment."""
    import asyncio  # who gets here runs in it, and for everyone else it is 20 ms of start-up

    await asyncio.sleep(_MOMENT_S)


def _next(trying: Declared, call: Call | None) -> Declared:
    """What is tried after an exception, which goes on when the function did not raise it or all attempts are used up."""
    if call is None or not call.has_failed or call.recording.opened.attempt > trying.retries:
        raise  # noqa: PLE0704 (what is being handled)
    return again(trying, call)


def _generator(declared: Declared, prepare: Prepare) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        recorder, given, params = prepare(args, kwargs)
        with recorded(recorder, declared, given, params) as call:
            work: Generator[Any, Any, Any] = call.begin()
            step: Callable[[], Any] = functools.partial(next, work)
            while True:
                try:
                    with call.at_work():
                        value = step()
                except StopIteration as end:
                    call.has_failed, returned = False, end.value
                    break
                # The caller's own code runs during a yield, and that is not inside the run.
                try:
                    sent = yield value
                except GeneratorExit:
                    with call.at_work():
                        work.close()
                    raise
                except BaseException as error:  # noqa: BLE001 (thrown into the generator, which may catch it)
                    step = functools.partial(work.throw, error)
                else:
                    step = functools.partial(work.send, sent)
        return returned

    return called


def _async_generator(declared: Declared, prepare: Prepare) -> Callable[..., Any]:
    async def called(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        recorder, given, params = prepare(args, kwargs)
        with recorded(recorder, declared, given, params) as call:
            work: AsyncGenerator[Any, Any] = call.begin()
            step: Callable[[], Any] = work.__anext__
            while True:
                try:
                    with call.at_work():
                        value = await step()
                except StopAsyncIteration:
                    call.has_failed = False
                    break
                try:
                    sent = yield value
                except GeneratorExit:
                    with call.at_work():
                        await work.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 (thrown into the generator, which may catch it)
                    step = functools.partial(work.athrow, error)
                else:
                    step = functools.partial(work.asend, sent)

    return called
