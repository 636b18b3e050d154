"""What names may be, in one rule for repos, labels, branches, steps and pipelines."""

import re
import unicodedata
from typing import Literal

from datamon.errors import Invalid
from datamon.store.ids import is_ksuid

NameKind = Literal["repo", "label", "branch", "step", "pipeline", "role", "context", "split"]
LONGEST_BYTES = 128
DEFAULT_BRANCH = "main"
RUNS_REPO = "_runs"
"""The hidden repo of code and streams; no user's name can be this, since names begin with a letter or digit."""

_ALLOWED = re.compile(r"[^\W_][\w.\-]*", re.UNICODE)


def check_name(kind: NameKind, text: str) -> str:
    """`text` in NFC, when it may name a `kind`: letters, digits, `.`, `_`, `-`, first a letter or digit, at most 128 bytes,
    not 27 base62 characters (those are ids). Raises Invalid (`bad-name`) otherwise.

    >>> check_name("repo", "orders-2026")
    'orders-2026'
    >>> check_name("label", "a/b")
    Traceback (most recent call last):
    datamon.errors.Invalid: the label name 'a/b' has '/'; use letters, digits, '.', '_' and '-'
    """
    name = unicodedata.normalize("NFC", text)
    fault = _fault(name)
    if fault:
        shown = repr(name if len(name) <= 40 else name[:40] + "…")
        raise Invalid(
            "bad-name",
            f"the {kind} name {shown} {fault}; use letters, digits, '.', '_' and '-'",
            kind=kind,
            name=text,
        )
    return name


def _fault(name: str) -> str | None:
    if not name:
        return "is empty"
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        return f"is longer than {LONGEST_BYTES} bytes"
    if is_ksuid(name):
        return "has the form of an id"
    if _ALLOWED.fullmatch(name):
        return None
    strange = next((c for c in name if not (c.isalnum() or c in "._-")), None)
    return f"has {strange!r}" if strange else "does not begin with a letter or digit"
