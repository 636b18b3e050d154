"""What a record says of the exception that ended a run."""

from collections.abc import Iterator

DEEPEST = 20
"""So many exceptions of a chain are told."""


def error_text(error: BaseException) -> str:
    """The exception and, after it, the chain of those that it came from; the exceptions of a group follow it in brackets.

    >>> error_text(KeyError("a"))
    "KeyError: 'a'"
    """
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    told = [_one(each) for each in _chain(error)]
    return ", caused by ".join(told)


def exit_code_of(error: BaseException) -> int | None:
    """What the process would give as its exit code; None when the exception says none."""
    if not isinstance(error, SystemExit):
        return None
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen and len(seen) < DEEPEST:
        seen.append(following)
        yield following
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)


def _one(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        inner = [_one(each) for each in error.exceptions[:DEEPEST]]
        return f"{text} [{'; '.join(inner)}]"
    return text
