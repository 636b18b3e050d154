"""Watching by a library that the dynamic linker loads before all others (`shim.c`): what programs open through the C library."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from datamon.lineage.capture.trace.accesses import Traced, read_lines
from datamon.lineage.capture.trace.compiled import compiled

BLIND_SPOTS = (
    "static programs, and such as make system calls themselves (Go)",
    "programs with setuid",
    "stat",
    "mmap of files that were open before",
    "what went through io_uring",
)


class Preload:
    """See `Tracer`."""

    name = "preload"

    def __init__(self, library: Path, folder: Path) -> None:
        self._library = library
        self._log = folder / "preload.log"

    @classmethod
    def found(cls, tools: Path, folder: Path, search: str | None) -> "Preload | None":
        """A tracer that keeps its files in `folder`, if the library can be had."""
        library = compiled("shim.c", tools, search, "-shared", "-fPIC")
        return cls(library, folder) if library else None

    def start(
        self,
        argv: Sequence[str],
        cwd: Path,  # noqa: ARG002
        variables: Mapping[str, str],
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `Tracer`."""
        self._log.touch(0o600)
        loaded = ":".join([str(self._library), *filter(None, [variables.get("LD_PRELOAD")])])
        return argv, {**variables, "LD_PRELOAD": loaded, "DATAMON_PRELOAD_LOG": str(self._log)}

    def finish(self) -> Traced:
        """See `Tracer`."""
        return Traced(self.name, read_lines(self._log.read_bytes()), BLIND_SPOTS, whole=False)
