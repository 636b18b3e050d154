"""Runs a command under a tracer, for tests: what was seen of one directory, by kind."""

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from datamon.lineage.capture.trace.accesses import Traced
from datamon.lineage.capture.trace.choosing import Method, Tracer, choose

TOOLS = Path(__file__).parents[2] / ".work" / "tools"


def tracer_of(method: Method, folder: Path) -> Tracer:
    """A tracer that works here. Raises Invalid (`cannot-trace`)."""
    folder.mkdir(parents=True, exist_ok=True)
    tracer, _ = choose(method, folder.parent / "tools", folder, os.environ["PATH"])
    assert tracer is not None
    return tracer


def watched(method: Method, argv: Sequence[str], cwd: Path, folder: Path) -> tuple[int, Traced]:
    """The exit code of `argv` in `cwd`, and what was seen of it."""
    tracer = tracer_of(method, folder)
    program = shutil.which(argv[0]) or argv[0]
    words, variables = tracer.start([program, *argv[1:]], cwd, dict(os.environ))
    done = subprocess.run(words, check=False, cwd=cwd, env=variables, capture_output=True)
    traced = tracer.finish()
    shutil.rmtree(folder)
    return done.returncode, traced


def sets_below(traced: Traced, top: Path) -> dict[str, set[str]]:
    """For each kind of access the paths below `top`, relative to it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for access in traced.accesses:
        if access.path.startswith(f"{top}/"):
            found[access.kind].add(os.path.relpath(access.path, top))
    return dict(found)
