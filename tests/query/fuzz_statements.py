"""Statements made by atheris (libFuzzer), guided by which lines of the language they reach: a program that test_fuzz.py runs.

Each text, whatever it is, gets an answer or an error of ours that points into it and shows nothing of the engine beneath. What
breaks that is an exception, which atheris reports with the text that caused it.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from datamon.errors import DatamonError, Denied, Invalid
from datamon.query.testing.phrases import PHRASES

OF_THE_ENGINE = re.compile(
    r"(Binder|Catalog|Parser|Internal|INTERNAL|Conversion|Serialization|Dependency) Error|duckdb\.|sqlglot|Traceback"
    r"|stack trace|\bkept\.|\bwith_system\.|__source_|^LINE \d+:",
    re.MULTILINE,
)
"""What an error must not show: prefixes of the engine's messages, its modules, and names that only our SQL has."""


def text_of(taken: bytes) -> str:
    """A statement: bytes below the number of phrases stand for phrases of the language, all others for themselves."""
    parts: list[str] = []
    for byte in taken:
        parts.append(f" {PHRASES[byte - 128]} " if 128 <= byte < 128 + len(PHRASES) else chr(byte))
    return "".join(parts)


def hold(text: str, answer: Callable[[str], object]) -> None:
    """Asserts that `text` is answered, or refused by an error of ours with a place in it."""
    try:
        answer(text)
    except DatamonError as error:
        shown = error.message.splitlines()[0]
        assert not OF_THE_ENGINE.search(error.message), f"of the engine: {error.message}"
        if error.code in ("bad-statement", "statement-refused") and isinstance(error, Denied | Invalid):
            assert re.match(r"line \d+, column \d+: ", shown), shown


def main() -> None:
    """Runs until libFuzzer's options say stop; exits with its status."""
    import atheris  # which only slow tests have

    with atheris.instrument_imports(
        include=["datamon.query.language", "datamon.query.compile", "datamon.query.safety"]
    ):
        from datamon.query.engine import ask_on
        from datamon.query.index import FileIndex
        from datamon.query.testing.stories import Story

    story = Story()
    with (
        tempfile.TemporaryDirectory() as folder,
        FileIndex(story.world.store, Path(folder)).connect(limit_s=5) as opened,
    ):

        def answer(text: str) -> object:
            return ask_on(opened, story.world.store, text)

        atheris.Setup(sys.argv, lambda taken: hold(text_of(taken), answer))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
