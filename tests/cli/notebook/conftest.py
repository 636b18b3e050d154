"""A person whose notebooks are executed in kernels of their own."""

import os
import sys
from pathlib import Path

import pytest

from datamon.cli.testing import Shell

SOURCES = Path(__file__).resolve().parents[3] / "src"


@pytest.fixture
def desk(orders: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A person who has the repos `orders` and `features`; this process has that person's environment, and Jupyter's own files lie
    in the test's directory."""
    for name in [name for name in os.environ if name.startswith("DATAMON_")]:
        monkeypatch.delenv(name)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    path = [str(SOURCES), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    environment = {**orders.environment, **{k: v for k, v in os.environ.items() if k not in orders.environment}}
    for name, value in orders.environment.items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    person = Shell(orders.home, orders.cwd, {**orders.variables, **_jupyter(environment)})
    person.well("repo", "create", "--repo", "features", "--description", "d")
    return person


def _jupyter(environment: dict[str, str]) -> dict[str, str]:
    return {
        k: v for k, v in environment.items() if k.startswith(("JUPYTER_", "IPYTHON", "PYTHONPATH", "PYDEVD_", "PATH"))
    }
