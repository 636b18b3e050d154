"""The clean tree that a replay runs in: the recorded code, and nothing that the working tree has beside it."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from datamon.errors import Invalid
from datamon.lineage.capture.git import capture_git, check_out, commits_of
from datamon.lineage.code_files import OUTSIDE
from datamon.lineage.finding import find_run
from datamon.lineage.records import Param, ParamValue, Run, RunOpened
from datamon.lineage.restoring import restore_code
from datamon.lineage.secrets import MASK
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class CleanTree:
    """A tree that was made: whether every file in it is known to be as it was, and notes for a person."""

    whole: bool
    notes: tuple[str, ...]


def clean_tree(store: Store, run: Run, directory: Path, repository: Path | None) -> CleanTree:
    """The code of the run stands in `directory`, which is made, as it was: the commit that it was at, where the git `repository`
    at hand has it, and over that the files that were kept with the run. Params files that neither has are written from the
    recorded values.

    Raises Invalid (`not-repeatable`) when the code is not known bit by bit, or lay outside of the code root and is another now.
    """
    opened = run.opened
    if opened.code.masked:
        raise refusal(
            opened,
            f"a secret value was masked in its code ({', '.join(opened.code.masked)}), so it is not known exactly",
        )
    if opened.code.bundle is None:
        raise refusal(
            opened, "its code was not kept with it: its command names no script; `--code PATH` says what counts"
        )
    directory.mkdir(parents=True)
    notes = list(_at_commit(opened, directory, repository))
    _lay_over(store, run, directory)
    _check_outside(opened, directory)
    whole = _is_whole(opened, directory)
    if opened.code.commit is not None and not whole and not notes:
        notes.append("the tree had uncommitted changes that were not kept with the run; the replay does without them")
    (directory / opened.cwd).mkdir(parents=True, exist_ok=True)
    notes += _params_files(opened.params, directory)
    return CleanTree(whole, tuple(notes))


def _is_whole(run: RunOpened, directory: Path) -> bool:
    """Whether git says of the tree what it said of the run's: the same commit with the same changes."""
    state = capture_git(directory)
    return state is not None and state.commit == run.code.commit and state.dirty == run.code.dirty


def refusal(run: RunOpened, reason: str) -> Invalid:
    """The error for a run that cannot be done again exactly."""
    name = f"{run.pipeline}/{run.step}"
    return Invalid(
        "not-repeatable", f"run {run.id} of {name} cannot be replayed: {reason}", step=name, run=run.id, reason=reason
    )


def _at_commit(run: RunOpened, directory: Path, repository: Path | None) -> Iterator[str]:
    commit = run.code.commit
    if commit is None:
        return
    if repository is None or not commits_of(repository, commit):
        yield f"the commit {commit[:10]} is not at hand: of the code there is what was kept with the run"
    elif not check_out(repository, commit, directory):
        yield f"the commit {commit[:10]} could not be checked out: of the code there is what was kept with the run"


def _lay_over(store: Store, run: Run, directory: Path) -> None:
    """The kept files stand over what is in the directory."""
    kept = directory.with_name(directory.name + ".kept")
    restore_code(store, run, kept)
    for top, folders, names in os.walk(kept):
        for name in [*names, *(each for each in folders if Path(top, each).is_symlink())]:
            source = Path(top) / name
            target = directory / source.relative_to(kept)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            source.rename(target)


def _check_outside(run: RunOpened, directory: Path) -> None:
    """What lay outside of the code root is used where it lies, if it is still the same."""
    outside = directory / OUTSIDE
    for top, _, names in os.walk(outside):
        for name in names:
            kept = Path(top) / name
            there = Path("/") / kept.relative_to(outside)
            try:
                same = there.read_bytes() == kept.read_bytes()
            except OSError:
                same = False
            if not same:
                raise refusal(run, f"its code {there} lies outside of the code root and is not as it was")
    shutil.rmtree(outside, ignore_errors=True)


def _params_files(params: Iterable[Param], directory: Path) -> Iterator[str]:
    """Params files that are not there are written from what was recorded of them."""
    files: dict[str, dict[str, ParamValue]] = {}
    for param in params:
        if param.file is not None and not _is_outside(param.file):
            files.setdefault(param.file, {})[param.key or param.name] = param.value
    for name, values in files.items():
        path = directory / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_text(path.suffix, values), encoding="utf-8")
            yield f"{name} was written from the recorded params"


def _text(suffix: str, values: dict[str, ParamValue]) -> str:
    """The values as a params file has them. JSON is YAML as well."""
    if suffix == ".toml":
        return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    nested: dict[str, object] = {}
    for dotted, value in values.items():
        *above, last = dotted.split(".")
        here = nested
        for part in above:
            here = here.setdefault(part, {})  # type: ignore[assignment]
        here[last] = value
    return json.dumps(nested, ensure_ascii=False, indent=2) + "\n"


def check_repeatable(run: Run) -> None:
    """Returns when the record says everything that doing the run again takes. Raises Invalid (`not-repeatable`)."""
    opened = run.opened
    if run.status not in ("succeeded", "failed"):
        raise refusal(opened, f"it is {run.status}; only a run that has ended can be compared")
    if opened.how not in ("command", "decorator") or (opened.how == "decorator" and opened.code.method != "function"):
        raise refusal(opened, f"it was recorded as a {opened.how} that datamon cannot start again")
    if any(MASK in word for word in opened.argv) and opened.how == "command":
        raise refusal(opened, "a secret was taken out of its command line")
    if _is_outside(opened.cwd):
        raise refusal(opened, f"it ran outside of the code root, in {opened.cwd}")
    places = [(read.role, read.directory) for read in opened.inputs if read.how == "declared"]
    places += [(output.role, output.directory) for output in opened.outputs]
    for role, directory in places:
        if directory is None and opened.how == "command":
            raise refusal(opened, f"its record does not say where the files of {role!r} lay")
        if directory is not None and _is_outside(directory):
            raise refusal(opened, f"the files of {role!r} lay outside of the code root, at {directory}")


def _is_outside(path: str) -> bool:
    """Whether a path of a record, which is relative to the code root, leaves that."""
    return PurePosixPath(path).is_absolute() or os.path.normpath(path).split("/")[0] == ".."


def moved(run: RunOpened, directory: Path) -> RunOpened:
    """The run with every word of its command that names something below the code root naming the same below `directory`. The
    program itself stays where the clean tree does not have it, as that of a virtual environment."""
    root = run.code.host_path
    if root is None or run.how != "command":
        return run
    below = re.compile(rf"(^|[=:,]){re.escape(root.rstrip('/'))}(?=/|$)")
    words = [below.sub(lambda found: f"{found[1]}{directory}", word) for word in run.argv]
    if words[0] != run.argv[0] and not Path(words[0]).exists():
        words[0] = run.argv[0]
    return replace(run, argv=tuple(words))


def find_repeatable(store: Store, run: str) -> Run:
    """The run of this id, or part of one, which can be done again. Raises as `find_run` and `check_repeatable`."""
    found = find_run(store, run)
    check_repeatable(found)
    return found
