"""Watches a run's command from its start to its end, and puts what was seen into the run's record."""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from datamon.errors import DatamonError
from datamon.lineage.capture.trace.accesses import Access
from datamon.lineage.capture.trace.choosing import Method, Tracer, choose
from datamon.lineage.capture.trace.observing import observe
from datamon.lineage.capture.trace.sorting import Places
from datamon.lineage.recording import Recording
from datamon.lineage.workplace import scratch
from datamon.store.opening import Store

_TOOLS = "tools"


class Watch:
    """The watching of one command; of none when `tracer` is None."""

    def __init__(self, tracer: Tracer | None, folder: Path, notes: Sequence[str] = ()) -> None:
        self._tracer = tracer
        self._folder = folder
        self._notes = notes
        self._begun = False
        self._given: tuple[Access, ...] = ()

    def start(
        self, argv: Sequence[str], cwd: Path, variables: Mapping[str, str]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """What to run in `cwd`, in which environment. A command that cannot be started is left to fail as it would."""
        if self._tracer is None or not _can_start(argv[0], cwd, variables):
            return argv, variables
        self._begun = True
        self._given = _given()
        return self._tracer.start(argv, cwd, variables)

    def finish(self, recording: Recording, directories: Sequence[Path], code: Path) -> None:
        """The recording has what was seen: `directories` are those of its inputs, then of its outputs, `code` is the code's top.
        What cannot be found out is a note: the command has run."""
        if self._tracer is None or not self._begun:
            return
        recording.notes += self._notes
        try:
            real = [os.path.realpath(directory) for directory in directories]
            count = len(recording.inputs)
            top, own = os.path.realpath(code), os.path.realpath(self._folder)
            places = Places(tuple(real[:count]), tuple(real[count:]), top, own)
            traced = self._tracer.finish()
            traced = replace(traced, accesses=(*self._given, *traced.accesses))
            observed = observe(recording.store, traced, recording.inputs, places)
        except (DatamonError, OSError) as error:
            recording.notes.append(f"what the command did with files is not recorded: {error}")
            return
        recording.inputs = [
            replace(each, directory=_relative(each.directory, top)) if each.how == "observed" else each
            for each in observed.inputs
        ]
        recording.capture = observed.capture
        recording.notes += observed.notes


@contextmanager
def watching(store: Store, asked: Method, variables: Mapping[str, str]) -> Iterator[Watch]:
    """Inside, a command can be watched as `asked`; programs are found as `variables` say. Raises Invalid (`cannot-trace`)."""
    if asked == "off":
        yield Watch(None, Path())
        return
    with scratch(store) as folder:
        tools = store.state_dir.parent / _TOOLS if store.state_dir else folder
        tracer, notes = choose(asked, tools, folder, variables.get("PATH"))
        yield Watch(tracer, folder, notes)


def _given() -> tuple[Access, ...]:
    """The file that the command gets as its input, opened by whoever started us."""
    try:
        return (Access("read", os.path.realpath("/dev/fd/0")),) if stat.S_ISREG(os.fstat(0).st_mode) else ()
    except OSError:
        return ()


def _can_start(program: str, cwd: Path, variables: Mapping[str, str]) -> bool:
    if "/" in program:
        return os.access(cwd / program, os.X_OK) and (cwd / program).is_file()
    return shutil.which(program, path=variables.get("PATH")) is not None


def _relative(directory: str | None, top: str) -> str | None:
    """Relative to the code's top where it lies there."""
    if directory is None or not Path(directory).is_relative_to(top):
        return directory
    return str(Path(directory).relative_to(top))
