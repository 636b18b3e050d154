"""Which way of watching is used: the one that was asked for, or the best that works on this machine."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, get_args

from datamon.errors import Invalid
from datamon.lineage.capture.trace.accesses import Traced
from datamon.lineage.capture.trace.audit import Audit
from datamon.lineage.capture.trace.preload import Preload
from datamon.lineage.capture.trace.seccomp import Seccomp
from datamon.lineage.capture.trace.strace import Strace

Method = Literal["auto", "seccomp", "strace", "preload", "audit", "off"]
METHODS: tuple[Method, ...] = get_args(Method)


class Tracer(Protocol):
    """Watches one command and the processes below it."""

    name: str

    def start(
        self, argv: Sequence[str], cwd: Path, variables: Mapping[str, str]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """What to run in `cwd`, in which environment, so that `argv` is watched. The process that is started becomes the
        command: its exit code, its signals and its streams are the command's own."""

    def finish(self) -> Traced:
        """What was seen until the command ended. What processes that it left behind do later is not in it."""


def choose(asked: Method, tools: Path, folder: Path, search: str | None) -> tuple[Tracer | None, list[str]]:
    """A tracer that keeps its files in `folder` and its programs in `tools`, found and compiled by what is on the path `search`;
    None when nothing is to be watched. With `auto` the best that works here, and a note when that is not the best there is.

    Raises Invalid (`cannot-trace`) when what was asked for does not work here."""
    if asked == "off":
        return None, []
    found: Mapping[str, Callable[[], Tracer | None]] = {
        "seccomp": lambda: Seccomp.found(tools, folder, search),
        "strace": lambda: Strace.found(folder, search),
        "preload": lambda: Preload.found(tools, folder, search),
        "audit": lambda: Audit(folder),
    }
    for name in found if asked == "auto" else [asked]:
        tracer = found[name]()
        if tracer is not None:
            best = asked != "auto" or name == "seccomp"
            return tracer, [] if best else [f"the files of this run are watched by {name}: seccomp does not work here"]
    message = f"files cannot be watched by {asked} on this machine; use --trace auto, which takes what works"
    raise Invalid("cannot-trace", message, method=asked)
