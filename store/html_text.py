"""Values as HTML that a page may show: everything that was not written here is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

_TABLE = '<table class="datamon">'
_LEFT = "text-align:left;vertical-align:top"


def visible(value: object) -> str:
    """`value` as text for a page, on one line; characters that cannot be printed as escapes.

    >>> visible("<b>\\x00")
    '&lt;b&gt;\\\\x00'
    """
    text = "" if value is None else str(value)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return escape(text)


def table_html(columns: Sequence[str], rows: Iterable[Sequence[object]], last: str = "") -> str:
    """A table with a head; `last` is a sentence below it."""
    head = "".join(f'<th style="{_LEFT}">{visible(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    said = f"<p><em>{visible(last)}</em></p>" if last else ""
    return f"{_TABLE}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}"


def facts_html(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """One thing, a fact a line; what is None or empty is left out."""
    rows = "".join(
        f'<tr><th style="{_LEFT}">{visible(name)}</th>{_cell(value)}</tr>'
        for name, value in facts
        if value is not None and value != ""
    )
    return f'{_TABLE}<caption style="text-align:left"><strong>{visible(title)}</strong></caption><tbody>{rows}</tbody></table>'


def _cell(value: object) -> str:
    return f'<td style="{_LEFT}">{visible(value)}</td>'
