"""The documents are true: their snippets run, their links lead somewhere, and they name everything they must."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from datamon import errors
from datamon.cli.testing_notebook import Kernel, kernel
from datamon.query.relations import RELATIONS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUNNABLE = (
    "README.md",
    "docs/tutorial.md",
    "docs/query.md",
    "docs/questions.md",
    "docs/python.md",
    "docs/paths.md",
    "docs/interchange.md",
    "docs/notebooks.md",
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Snippet:
    """A fenced block: its language, its text, the line it begins on."""

    language: str
    text: str
    line: int


def snippets(page: Path) -> list[Snippet]:
    text = page.read_text(encoding="utf-8")
    return [Snippet(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)]


def settled(output: str) -> str:
    """`output` without what differs from one run to the next: ids, hashes, times, durations, folders, column widths."""
    output = re.sub(r"\b[0-9A-Za-z]{27}\b", "<id>", output)
    output = re.sub(r"\b[0-9a-f]{64}\b", "<hash>", output)
    output = re.sub(r"\b[0-9a-f]{12}\b", "<short>", output)
    output = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "<time>", output)
    output = re.sub(r"…[0-9A-Za-z]{8}", "…<end>", output)
    output = re.sub(r"\bjust now\b|\b\d+ (s|min|h|days?) ago\b", "<ago>", output)
    output = re.sub(r"\b\d+(\.\d+)? m?s\b", "<duration>", output)
    output = re.sub(r"[─━═-]{3,}", "─", output)
    return "\n".join(" ".join(line.split()) for line in output.splitlines() if line.strip())


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the example's scripts and raw data, and a home that holds nothing."""
    for script in (ROOT / "examples" / "karate").iterdir():
        shutil.copy(script, tmp_path)
    subprocess.run([sys.executable, "fetch.py", "raw"], cwd=tmp_path, check=True)
    (tmp_path / "home").mkdir()
    return tmp_path


def environment(desk: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DATAMON_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**kept, "HOME": str(desk / "home"), "PATH": path, "COLUMNS": "200", "NO_COLOR": "1", "DATAMON_NAME": "Ada"}


def commands(text: str) -> list[tuple[str, str]]:
    """Each `$ command` of a console block with the output that is shown for it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (found[-1][0] + "\n" + line[2:], [])
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in found]


@pytest.mark.parametrize("page", RUNNABLE)
def test_every_snippet_of_the_page_runs_and_shows_what_the_page_shows(page: str, desk: Path) -> None:
    with ExitStack() as stack:
        run_snippets(page, desk, stack)


def run_snippets(page: str, desk: Path, stack: ExitStack) -> None:
    cells: Kernel | None = None
    for number, snippet in enumerate(snippets(ROOT / page)):
        if snippet.language == "console":
            for command, shown in commands(snippet.text):
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=desk,
                    env=environment(desk),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                said = done.stdout + done.stderr
                assert done.returncode == 0, f"{page}:{snippet.line}: {command}\n{said}"
                if shown.strip():
                    assert settled(shown) == settled(done.stdout), f"{page}:{snippet.line}: {command}\n{said}"
        elif snippet.language == "python":
            script = desk / f"snippet_{number}.py"
            script.write_text(snippet.text, encoding="utf-8")
            done = subprocess.run(
                [sys.executable, script.name],
                cwd=desk,
                env=environment(desk),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{page}:{snippet.line}\n{done.stdout}{done.stderr}"
        elif snippet.language == "ipython":
            cells = cells or stack.enter_context(kernel(desk, env=environment(desk)))
            assert cells.run(snippet.text) is None, f"{page}:{snippet.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_error_code_is_documented() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    missing = [code for code in errors.CODES if f"`{code}`" not in operations]
    assert missing == []


def test_every_relation_is_documented_with_its_columns() -> None:
    page = (ROOT / "docs" / "query.md").read_text(encoding="utf-8")

    for relation in RELATIONS.values():
        columns = ", ".join(column.name for column in relation.columns)
        assert f"| `{relation.name}` | {relation.meaning} | `{columns}` |" in page


def test_documents_name_no_path_of_a_machine() -> None:
    for page in PAGES:
        assert not re.search(r"(^|[\s`\"'(])/(work|root|home/\w+)/", page.read_text(encoding="utf-8")), page.name
