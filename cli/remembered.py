"""What an everyday question needs to know of a store, remembered between commands: so that the next need not load what reads
settings and opens stores, as long as all of that is as it was.

One file, `at-once` below datamon's own state folder, of lines `kind TAB value`; a plain store on this machine's disk is
remembered and no other. It is a cache: without it everything works.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datamon.cli.settings import Settings
    from datamon.store.opening import Store

VERSION = "at-once\t1"
_LONGEST = 4_000
_SECRET = ("DATAMON_ENCRYPTION_KEY",)
_BOOT, _NAMESPACE = "/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"


class Remembered:
    """A store that is as it was: where its graph's files lie, and how long its journal is now, in bytes."""

    __slots__ = ("graph", "journal_bytes", "store")

    def __init__(self, store: str, graph: str, journal_bytes: int) -> None:
        self.store = store
        self.graph = graph
        self.journal_bytes = journal_bytes


def recall(variables: Mapping[str, str]) -> Remembered | None:
    """The store that a plain command line means under these variables; None when that is not remembered, or anything that could
    matter is another now: a setting, the configuration file, the store's own records, a start of the machine, a run left open."""
    try:
        with open(_place(variables), encoding="utf-8") as file:
            lines = file.read().split("\n")
        if lines[0] != VERSION or lines[1] != f"variables\t{_said(variables)}":
            return None
        told = dict(line.split("\t", 1) for line in lines[2:])
        if "cwd" in told and told["cwd"] != os.getcwd():
            return None
        for name in ("config", "store.json", "blobs.json"):
            path, _, before = told[name].partition("\t")
            if _stamp(path) != before:
                return None
        if _is_unsettled(told["looked"], told["open"]):
            return None
        return Remembered(told["store"], told["graph"], os.stat(told["journal"]).st_size)
    except (OSError, ValueError, KeyError, IndexError):
        return None


def remember(settings: Settings, store: Store, variables: Mapping[str, str]) -> None:
    """The store is remembered for `recall`, when it is a plain one of this machine. What cannot be written is left."""
    root = str(store.metadata.url)
    plain = settings.mirror is None and settings.view is None and not settings.shared and not store.cover.hides
    if not plain or store.state_dir is None or not os.path.isfile(f"{root}/store.json"):
        return
    blob = store.blob.url
    paths = {"config": str(settings.file), "store.json": f"{root}/store.json", "blobs.json": f"{blob}/blobs.json"}
    lines = [VERSION, f"variables\t{_said(variables)}"]
    lines += [f"{name}\t{path}\t{_stamp(path)}" for name, path in paths.items()]
    lines += [
        f"store\t{store.id}",
        f"graph\t{store.state_dir / 'index' / store.id / 'graph'}",
        f"looked\t{store.state_dir / 'looked-after-boot'}",
        f"open\t{root}/open",
        f"journal\t{root}/journal/log",
    ]
    if any(not value.startswith("/") for name, value in _places(variables)):
        lines.append(f"cwd\t{os.getcwd()}")
    text = "\n".join(lines)
    if text.count("\n") == len(lines) - 1 and len(text) < _LONGEST:
        _write(_place(variables), text)


def _place(variables: Mapping[str, str]) -> str:
    home = os.path.expanduser(variables.get("DATAMON_HOME") or "~/.datamon")
    return f"{os.path.abspath(home)}/state/at-once"


def _said(variables: Mapping[str, str]) -> str:
    """The variables that settings come from. Raises ValueError for one that is a secret, which is written nowhere."""
    if any(name in variables for name in _SECRET):
        raise ValueError("a secret")
    kept = [f"{name}={value}" for name, value in sorted(variables.items()) if _counts(name)]
    return "\x1f".join(kept).replace("\n", "\x1e").replace("\t", "\x1d")


def _counts(name: str) -> bool:
    return name in ("HOME", "GOOGLE_APPLICATION_CREDENTIALS") or name.startswith("DATAMON_")


def _places(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    names = ("DATAMON_METADATA", "DATAMON_BLOB", "DATAMON_HOME", "DATAMON_CONFIG")
    return ((name, variables[name]) for name in names if variables.get(name))


def _stamp(path: str) -> str:
    """What changes whenever the file does; of one that is not there, that."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return "-"
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _is_unsettled(looked: str, open_runs: str) -> bool:
    """Whether an earlier command may have left a run for a later one to finish: as `lineage.pending` asks."""
    with open(looked, encoding="utf-8") as file:
        before = file.read()
    with open(_BOOT, encoding="utf-8") as file:
        boot = file.read().strip()
    if before != f"{boot}/{os.readlink(_NAMESPACE)}":
        return True
    try:
        return bool(os.listdir(open_runs))
    except FileNotFoundError:
        return False


def _write(path: str, text: str) -> None:
    fresh = f"{path}-{os.getpid()}"
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except (OSError, ValueError):
        pass
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, path)
    except OSError:
        return
