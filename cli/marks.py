"""How runs ended, in a word and a colour."""

from dataclasses import replace

from datamon.cli.fitting import Part

_MARKS: dict[str, Part] = {
    "succeeded": Part("✓", "green"),
    "failed": Part("✗", "red"),
    "abandoned": Part("✗", "red"),
    "running": Part("●", "blue"),
}


def status_mark(status: str, *, said: bool = False) -> Part:
    """The mark of a status, and the word: always where it is to be `said`, else only where a run did not succeed.

    >>> status_mark("failed").text, status_mark("succeeded").text, status_mark("succeeded", said=True).text
    ('✗ failed', '✓', '✓ succeeded')
    """
    mark = _MARKS[status]
    return replace(mark, text=f"{mark.text} {status}") if said or status != "succeeded" else mark
