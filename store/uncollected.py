"""Reading much without the garbage collector looking through it again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """The collector of cycles rests in this block. Records hold no cycles, and where a hundred thousand of them are made it looks
    at all of them each time that a few more have come: measured, half of the time that reading them takes. What counts
    references goes on, so that memory is given back as ever. Blocks may lie in each other; for all threads."""
    rests = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if rests:
            gc.enable()
