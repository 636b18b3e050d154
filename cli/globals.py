"""What the program's own options say, and the forms of answers: what commands share that needs no command line to be built."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

GLOBAL_OPTIONS = ("--config", "--context")
"""Options of the program itself that take a value; they may stand anywhere."""
GLOBAL_FLAGS = ("--degraded",)
"""Such that take none."""


@dataclass(frozen=True, slots=True)
class Globals:
    """What the program's own options say; each command finds it as `ctx.obj`."""

    config: Path | None = None
    context: str | None = None
    degraded: bool = False


class Format(StrEnum):
    """How an answer is written, in place of the plain lines."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class AnswerFormat(StrEnum):
    """How the answer to a question is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"
    DOT = "dot"
    MERMAID = "mermaid"
    SVG = "svg"
