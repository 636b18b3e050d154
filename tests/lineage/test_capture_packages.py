"""The environment of a run: which Python, which packages."""

import importlib.metadata
import os
import re
import sys
from pathlib import Path

import pytest

from datamon.lineage.capture import package_scan
from datamon.lineage.capture.packages import capture_environment, interpreter_of


def test_the_packages_are_those_that_importlib_knows() -> None:
    known: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        known.setdefault(name, distribution.version)
    assert package_scan.scan(sys.path) == known


def test_of_one_package_installed_twice_the_first_on_the_path_counts(tmp_path: Path) -> None:
    (tmp_path / "a" / "My_Package-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "b" / "my.package-2.0-py3.11.egg-info").mkdir(parents=True)
    (tmp_path / "b" / "other.egg-info").mkdir()
    (tmp_path / "b" / "other.egg-info" / "PKG-INFO").write_text("Name: other\nVersion: 3.1\n")
    found = package_scan.scan([str(tmp_path / "absent"), str(tmp_path / "a"), str(tmp_path / "b")])
    assert found == {"my-package": "1.0", "other": "3.1"}


def test_only_declared_variables_are_kept() -> None:
    environment, notes = capture_environment(None, {"OMP_NUM_THREADS": "2", "HOME": "/h"}, ["OMP_*"])
    assert environment.variables == {"OMP_NUM_THREADS": "2"}
    assert environment.python is not None
    assert notes == []


@pytest.fixture
def other_python(tmp_path: Path) -> Path:
    """An environment of its own: a link to this Python in another directory, which finds one package beside itself."""
    program = tmp_path / "other" / "python3"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/site exec {sys.executable} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "site" / "only_here-9.9.dist-info").mkdir(parents=True)
    return program


def test_another_interpreter_is_asked_for_its_own_packages(other_python: Path, tmp_path: Path) -> None:
    found = interpreter_of([str(other_python), "x.py"], {}, tmp_path)
    assert found == other_python
    environment, notes = capture_environment(found, dict(os.environ), [])
    assert environment.packages["only-here"] == "9.9"
    assert notes == []


def test_the_interpreter_is_found_on_the_path_behind_env_and_in_a_first_line(
    other_python: Path, tmp_path: Path
) -> None:
    variables = {"PATH": str(other_python.parent)}
    script = tmp_path / "tool"
    script.write_text(f"#!{other_python}\n")
    for argv in (["python3", "x"], ["env", "A=b", "python3"], [str(script)], ["./tool"]):
        assert interpreter_of(argv, variables, tmp_path) == other_python


def test_this_interpreter_and_other_programs_need_not_be_asked(tmp_path: Path) -> None:
    for argv in ([sys.executable, "x.py"], ["sh", "-c", "true"], ["no-such-program"], ["./absent"], ["env"]):
        assert interpreter_of(argv, {"PATH": os.defpath}, tmp_path) is None


def test_an_interpreter_that_fails_is_a_note_and_not_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    environment, notes = capture_environment(broken, dict(os.environ), [])
    assert environment.packages == {}
    assert environment.python is None
    assert len(notes) == 1
