"""Notebooks that a test executes without a page, each in a kernel of its own."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

Notebook = Any
"""What nbformat makes: it gives its notebooks no types."""
Completing = Callable[[str, int], dict[str, Any]]
"""From a cell's text and a place in it to what the kernel offers there."""
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


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that runs cells one by one: what manages it, and what speaks with it."""

    manager: Any
    client: Any

    def run(self, cell: str) -> str | None:
        """The cell has been run; the error that it ended with, if it did."""
        answer = self.client.execute_interactive(cell, output_hook=lambda _: None, timeout=LONGEST_S)["content"]
        return None if answer["status"] == "ok" else f"{answer['ename']}: {answer['evalue']}"


@contextmanager
def kernel(cwd: Path, *cells: str, env: Mapping[str, str] | None = None) -> Iterator[Kernel]:
    """A kernel in `cwd`, in this process's environment or another, that has run these cells."""
    place = {"cwd": str(cwd)} if env is None else {"cwd": str(cwd), "env": dict(env)}
    manager, client = start_new_kernel(kernel_name="python3", **place)
    try:
        running = Kernel(manager, client)
        for cell in cells:
            assert running.run(cell) is None, cell
        yield running
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def interrupted(cwd: Path, cell: str, begun: Path, *before: str) -> tuple[str, str | None]:
    """A kernel in `cwd` runs the cells `before`, then `cell`, and is interrupted as soon as the file `begun` is there: the name
    of the error that the cell ended with, and the error of a cell after it, which there should not be."""
    with kernel(cwd, *before) as running:
        asked = running.client.execute(cell)
        deadline = time.monotonic() + LONGEST_S
        while not begun.exists():
            assert time.monotonic() < deadline, "the cell did not begin"
            time.sleep(0.01)
        running.manager.interrupt_kernel()
        answer = running.client.get_shell_msg(timeout=LONGEST_S)
        while answer["parent_header"].get("msg_id") != asked:
            answer = running.client.get_shell_msg(timeout=LONGEST_S)
        return answer["content"]["ename"], running.run("1 + 1")


@contextmanager
def completing(cwd: Path, *cells: str) -> Iterator[Completing]:
    """A kernel in `cwd` that has run these cells and is asked what it completes."""
    with kernel(cwd, *cells) as running:

        def complete(code: str, at: int) -> dict[str, Any]:
            answer: Any = running.client.complete(code, at, reply=True, timeout=LONGEST_S)
            found: dict[str, Any] = answer["content"]
            return found

        yield complete
