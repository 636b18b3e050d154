"""A real JupyterLab in a real browser: a person runs the cells of a notebook and sees tables, drawings and runs."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from datamon.cli.testing import Shell
from datamon.cli.testing_notebook import write_notebook

CELLS = (
    "%load_ext datamon",
    """%%datamon_run --step features --input orders@init=in --output features=out --param scale=2
from pathlib import Path
text = Path("in/a.csv").read_text()
Path("out/rows.txt").write_text(text * 2)""",
    "%datamon query GRAPH UPSTREAM OF 'features'",
    "%datamon query SELECT step, status, how FROM runs",
)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
LONGEST_MS = 60_000
ORDERS = 6


@contextmanager
def jupyterlab(desk: Shell) -> Iterator[str]:
    """The address of a JupyterLab that runs in the person's directory, with its token."""
    words = ("--allow-root", "--no-browser", "--port=0", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=tok")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *words],
        cwd=desk.cwd,
        env=desk.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert server.stderr is not None
    try:
        found = None
        for line in server.stderr:
            found = re.search(r"(http://127\.0\.0\.1:\d+)/lab\?token", line)
            if found:
                break
        assert found, "JupyterLab ended before it told its address"
        yield found[1]
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


def run_all(page: Any) -> None:
    """All cells are being run. Before the kernel is connected JupyterLab takes the order and forgets it, and nothing on the page
    says when it no longer does."""
    from playwright.sync_api import TimeoutError as WaitedTooLong  # only the slow tests need a browser

    page.locator('.jp-StatusBar-TextItem:has-text("| Idle")').wait_for(timeout=LONGEST_MS)
    begun = page.locator(".jp-InputPrompt").filter(has_text=re.compile(r"\[(\*|1)\]")).first
    for _ in range(ORDERS):
        page.click('.lm-MenuBar-itemLabel:text-is("Run")')
        page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')
        with suppress(WaitedTooLong):
            begun.wait_for(timeout=LONGEST_MS / ORDERS)
            return


@pytest.mark.slow
def test_cells_that_are_run_in_jupyterlab_show_tables_drawings_and_runs(desk: Shell, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright  # only the slow tests need a browser

    chromium = shutil.which("chromium")
    assert chromium, "this test needs the Debian package chromium"
    write_notebook(desk.cwd / "lineage.ipynb", *CELLS)

    with jupyterlab(desk) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, "--disable-sync"])
        page = browser.new_page(viewport={"width": 1400, "height": 1500})
        asks_for_kernel = page.locator('.jp-Dialog button:has-text("Select")')
        page.add_locator_handler(asks_for_kernel, lambda button: button.click())
        page.goto(f"{address}/lab/tree/lineage.ipynb?token=tok", timeout=LONGEST_MS)
        page.wait_for_selector(".jp-CodeCell", timeout=LONGEST_MS)
        try:
            run_all(page)
            page.wait_for_selector("td:has-text('succeeded') >> nth=1", timeout=LONGEST_MS)
        finally:
            page.screenshot(path=tmp_path / "page.png")
        page.wait_for_selector('img[src^="data:image/svg+xml"]', timeout=LONGEST_MS)
        page.screenshot(path=tmp_path / "page.png")
        shown = page.inner_text(".jp-Notebook")
        drawn: Any = page.eval_on_selector('img[src^="data:image/svg+xml"]', "each => each.naturalWidth")
        browser.close()

    assert re.search(r"run [0-9A-Za-z]{27}", shown)
    assert "default/features" in shown
    assert re.search(r"features\s+succeeded\s+cell", shown)
    assert drawn > 100
