"""Colours on a terminal, and none anywhere else."""

from typing import Literal

Colour = Literal["plain", "bold", "dim", "red", "green", "yellow", "blue", "magenta"]
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35"}


def coloured(text: str, colour: Colour) -> str:
    """The text between the escape sequences of a colour."""
    return text if colour == "plain" or not text else f"\x1b[{_CODES[colour]}m{text}\x1b[0m"
