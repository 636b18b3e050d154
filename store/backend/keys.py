"""What a key may be, checked by every backend before it touches its place."""

import re

from datamon.errors import Invalid, NotFound

LONGEST_KEY = 900

_PART = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_PREFIX = re.compile(rf"(?:{_PART}/)*[A-Za-z0-9._-]*")


def check_key(key: str) -> str:
    """`key`, when it is one (see `Backend`). Raises Invalid (`bad-key`): such a key could lead out of the place.

    >>> check_key("packs/0f/x")
    'packs/0f/x'
    >>> check_key("packs/../x")
    Traceback (most recent call last):
    datamon.errors.Invalid: 'packs/../x' is no key; keys are ASCII letters, digits, '.', '_', '-', with '/' between parts
    """
    if is_key(key):
        return key
    raise _refused(key)


def is_key(text: str) -> bool:
    """Whether `text` is a key.

    >>> is_key("log/1"), is_key("+tmp"), is_key("..")
    (True, False, False)
    """
    return len(text) <= LONGEST_KEY and _KEY.fullmatch(text) is not None


def check_prefix(prefix: str) -> str:
    """`prefix`, when keys may begin with it; the empty one is allowed. Raises Invalid (`bad-key`)."""
    if len(prefix) <= LONGEST_KEY and _PREFIX.fullmatch(prefix):
        return prefix
    raise _refused(prefix)


def key_not_found(key: str, url: str) -> NotFound:
    """The error for a key under which nothing is kept."""
    return NotFound(
        "key-not-found", f"{url} keeps nothing under {key}; check the place, or restore it", key=key, url=url
    )


def _refused(key: str) -> Invalid:
    shown = repr(key if len(key) <= 60 else key[:60] + "…")
    return Invalid(
        "bad-key",
        f"{shown} is no key; keys are ASCII letters, digits, '.', '_', '-', with '/' between parts",
        key=key,
    )
