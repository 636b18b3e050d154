"""The code of notebooks, cell by cell."""

import json
from pathlib import Path

_MAGIC = ("%", "!", "?")

SUFFIX = ".ipynb"


def code_cells(path: Path) -> list[str] | None:
    """The texts of a notebook's code cells; None for what cannot be read as a notebook."""
    try:
        notebook = json.loads(path.read_bytes())
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        return ["".join(cell["source"]) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def split_magic(cell: str) -> tuple[str, list[str]]:
    """The Python of a cell, and its lines that are none (`%magic`, `!command`)."""
    code: list[str] = []
    magic: list[str] = []
    for line in cell.splitlines():
        (magic if line.lstrip().startswith(_MAGIC) else code).append(line)
    return "\n".join(code), [line.strip() for line in magic]


def python_of(path: Path) -> str:
    """The Python of all cells of a notebook, in their order."""
    return "\n".join(split_magic(cell)[0] for cell in code_cells(path) or ())
