"""Golden files: statements, each with what it becomes."""

from pathlib import Path


def golden_pairs(file: Path) -> list[tuple[str, str]]:
    """The pairs of a file whose first line says what they are: `;;` stands between pairs, `-->` within one."""
    text = file.read_text("utf-8").partition("\n")[2]
    pairs = [pair.partition("\n-->\n") for pair in text.split("\n;;\n")]
    return [(typed.strip(), expected.strip()) for typed, _, expected in pairs]
