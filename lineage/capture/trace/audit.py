"""Watching by Python's own audit events: of Python programs, on any system, what Python itself opens."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from datamon.lineage.capture.trace.accesses import Traced, read_lines

BLIND_SPOTS = (
    "all but Python programs",
    "files that C and C++ libraries open (pyarrow, HDF5)",
    "Python started with -I, -S or -E",
    "stat",
)


class Audit:
    """See `Tracer`."""

    name = "audit"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "audit.log"

    def start(
        self,
        argv: Sequence[str],
        cwd: Path,  # noqa: ARG002
        variables: Mapping[str, str],
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `Tracer`. Python runs the `sitecustomize` that it finds first; ours then runs the one that it hides."""
        hook = resources.files(__package__).joinpath("audit_hook.txt").read_bytes()
        (self._folder / "sitecustomize.py").write_bytes(hook)
        self._log.touch(0o600)
        search = [str(self._folder), *filter(None, [variables.get("PYTHONPATH")])]
        return argv, {**variables, "PYTHONPATH": ":".join(search), "DATAMON_AUDIT_LOG": str(self._log)}

    def finish(self) -> Traced:
        """See `Tracer`."""
        return Traced(self.name, read_lines(self._log.read_bytes()), BLIND_SPOTS, whole=False)
