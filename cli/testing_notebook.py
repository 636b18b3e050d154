"""Notebooks that a test executes without a page, each in a kernel of its own."""

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

Notebook = Any
"""What nbformat makes: it gives its notebooks no types."""
LONGEST_S = 300


def notebook_of(*cells: str) -> Notebook:
    """A notebook of these code cells, for the Python of the kernel `python3`."""
    make: Any = nbformat.v4
    made = make.new_notebook(cells=[make.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return made


def write_notebook(path: Path, *cells: str) -> None:
    """The file at `path` is such a notebook."""
    write: Any = nbformat.write
    write(notebook_of(*cells), path)


def execute(cwd: Path, *cells: str, allow_errors: bool = False) -> Notebook:
    """Such a notebook with the outputs of its cells, which were run in `cwd` and in this process's environment. Raises
    CellExecutionError when a cell raises, unless `allow_errors`."""
    made = notebook_of(*cells)
    place = {"metadata": {"path": str(cwd)}}
    NotebookClient(made, timeout=LONGEST_S, allow_errors=allow_errors, resources=place).execute()
    return made


def text_of(cell: Any, kind: str = "text/plain") -> str:
    """What the outputs of a cell show in this MIME type; as plain text what was printed and raised, too."""
    told = []
    for output in cell.outputs:
        if "data" in output:
            told.append(str(output["data"].get(kind, "")))
        elif kind == "text/plain":
            told.append(output.get("text", "") or "\n".join(output.get("traceback", ())))
    return "\n".join(told)
