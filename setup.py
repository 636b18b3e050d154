"""Compiles, besides what pyproject.toml says, the C program that watches files, where there is a compiler. Where there is none,
or where the folder itself is installed (editable), datamon compiles it at its first use."""

import importlib.util
import os
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithTools(build_py):
    """The package's files, and what is compiled of them."""

    def run(self) -> None:
        """See `build_py`. No failure of a compiler stops an install."""
        super().run()
        trace = Path(self.build_lib, "datamon", "lineage", "capture", "trace").absolute()
        spec = importlib.util.spec_from_file_location("compiled", trace / "compiled.py")
        if self.editable_mode or sys.platform != "linux" or spec is None or spec.loader is None:
            return
        tools = importlib.util.module_from_spec(spec)
        sys.dont_write_bytecode = True  # it would lie in the package
        spec.loader.exec_module(tools)
        tools.compiled("supervisor.c", trace / tools.BUILT, os.environ.get("PATH"))


setup(cmdclass={"build_py": BuildWithTools})
