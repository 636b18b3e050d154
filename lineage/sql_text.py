"""SQL text reduced to what can change a result: no comments, no layout."""

import re
from itertools import pairwise

_PIECE = re.compile(
    r"""(?P<comment>--(?=[\s\w]|$)[^\n]*|/\*(?![+!])(?:(?!/\*|\*/).)*\*/)
    |(?P<space>\s+)
    |(?P<kept>\w*'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|(?P<tag>\$\w*\$).*?(?P=tag)|[\w.$]+|.)""",
    re.DOTALL | re.VERBOSE,
)
_UNSURE = re.compile(r"\\|\#|/\*[+!]|\S--\S")
"""Where dialects differ in what is a comment or a text: escapes, `#`, hints, MySQL's `5--3`."""


def normal_sql(text: str) -> str | None:
    """The text with its comments left out and one space between what is left; None where it depends on the dialect what is a
    comment, so that the bytes have to count.

    >>> normal_sql("SELECT  a -- the id\\n,b FROM t") == normal_sql("/* two */ SELECT a, b\\nFROM t")
    True
    >>> normal_sql("SELECT '-- a'") == normal_sql("SELECT '-- b'")
    False
    """
    if _UNSURE.search(text):
        return None
    kept = [piece["kept"] for piece in _PIECE.finditer(text) if piece["kept"] is not None]
    return None if _is_open(kept) else " ".join(kept)


def _is_open(kept: list[str]) -> bool:
    """Whether a text or a comment has no end, or one stands in another."""
    return any(each in ("'", '"', "`") for each in kept) or any(
        (one, two) in (("/", "*"), ("*", "/")) for one, two in pairwise(kept)
    )
