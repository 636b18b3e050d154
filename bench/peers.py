"""The tools that `bench/storage.py` compares: how each stores and restores a directory, and how many bytes it then keeps."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Command = Sequence[str]


@dataclass(frozen=True)
class Place:
    """Where one tool works in one round: `home` is its HOME, `kept` where it stores."""

    home: Path

    @property
    def kept(self) -> Path:
        """What the tool stores lies below this."""
        return self.home / "kept"

    def run(self, command: Command) -> None:
        """Runs what is not measured. Raises CalledProcessError with the output."""
        subprocess.run(command, check=True, capture_output=True, env=self.environment(), cwd=self.home)

    def environment(self) -> dict[str, str]:
        """The environment of the tool's commands: a HOME of its own, passwords that it asks for."""
        secrets = {"RESTIC_PASSWORD": "bench", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        ours = {"DATAMON_METADATA": str(self.kept), "DATAMON_BLOB": str(self.kept)}
        return {**os.environ, **secrets, **ours, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}


class Peer(Protocol):
    """A tool. Commands are run in `place.home`; `version` is what a second tree's name is."""

    name: str

    def prepare(self, place: Place) -> None:
        """A new, empty store is there; not measured."""

    def stage(self, place: Place, source: Path) -> None:
        """What the tool needs before it can store `source`; not measured."""

    def store(self, place: Place, source: Path) -> Command:
        """Stores the directory."""

    def restore(self, place: Place, source: Path, target: Path) -> Command:
        """Writes what was stored last of `source` to `target`."""


@dataclass
class Datamon:
    """The embedded local store with its defaults."""

    name: str = "datamon"

    def prepare(self, place: Place) -> None:
        place.run([_found("datamon"), "repo", "create", "--repo", "bench"])

    def stage(self, place: Place, source: Path) -> None:
        """Nothing."""

    def store(self, place: Place, source: Path) -> Command:
        return [
            _found("datamon"),
            "bundle",
            "upload",
            "--repo",
            "bench",
            "--path",
            str(source),
            "--message",
            source.name,
        ]

    def restore(self, place: Place, source: Path, target: Path) -> Command:
        return [_found("datamon"), "bundle", "download", "--repo", "bench", "--destination", str(target)]


@dataclass
class Restic:
    """restic with its defaults: zstd where it helps, encryption always."""

    name: str = "restic"

    def prepare(self, place: Place) -> None:
        place.run([_found("restic"), "-r", str(place.kept), "init"])

    def stage(self, place: Place, source: Path) -> None:
        """Nothing."""

    def store(self, place: Place, source: Path) -> Command:
        return [_found("restic"), "-q", "-r", str(place.kept), "backup", str(source)]

    def restore(self, place: Place, source: Path, target: Path) -> Command:
        return [_found("restic"), "-q", "-r", str(place.kept), "restore", "latest", "--target", str(target)]


@dataclass
class Borg:
    """borg 1 without encryption, zstd level 1."""

    name: str = "borg"
    stored: int = 0

    def prepare(self, place: Place) -> None:
        place.run([_found("borg"), "init", "-e", "none", str(place.kept)])

    def stage(self, place: Place, source: Path) -> None:
        """Nothing."""

    def store(self, place: Place, source: Path) -> Command:
        self.stored += 1
        return [_found("borg"), "create", "-C", "zstd,1", f"{place.kept}::a{self.stored}", str(source)]

    def restore(self, place: Place, source: Path, target: Path) -> Command:
        target.mkdir(exist_ok=True)
        return ["sh", "-c", f"cd {target} && {_found('borg')} extract {place.kept}::a{self.stored}"]


@dataclass
class Dvc:
    """dvc: the directory lies in its workspace and is added to its cache."""

    name: str = "dvc"

    def prepare(self, place: Place) -> None:
        place.run(["git", "init", "-q", str(place.home)])
        place.run([_found("dvc"), "init", "-q"])
        place.run([_found("dvc"), "config", "cache.dir", str(place.kept)])
        place.run([_found("dvc"), "config", "core.analytics", "false"])

    def stage(self, place: Place, source: Path) -> None:
        work = place.home / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(source, work)

    def store(self, place: Place, source: Path) -> Command:
        return [_found("dvc"), "add", "-q", "work"]

    def restore(self, place: Place, source: Path, target: Path) -> Command:
        shutil.rmtree(place.home / "work", ignore_errors=True)
        return [_found("dvc"), "checkout", "-q", "work.dvc"]


@dataclass
class Tar:
    """`tar | zstd -1 -T2`: no deduplication, no index, nothing synced."""

    name: str = "tar|zstd"

    def prepare(self, place: Place) -> None:
        place.kept.mkdir()

    def stage(self, place: Place, source: Path) -> None:
        """Nothing."""

    def store(self, place: Place, source: Path) -> Command:
        return ["sh", "-c", f"tar -C {source} -cf - . | zstd -q -1 -T2 -o {place.kept / source.name}.tar.zst"]

    def restore(self, place: Place, source: Path, target: Path) -> Command:
        target.mkdir(exist_ok=True)
        return ["sh", "-c", f"zstd -q -dc {place.kept / source.name}.tar.zst | tar -C {target} -xf -"]


@dataclass
class Copy:
    """`cp -r`: nothing hashed, nothing synced."""

    name: str = "cp -r"

    def prepare(self, place: Place) -> None:
        place.kept.mkdir()

    def stage(self, place: Place, source: Path) -> None:
        """Nothing."""

    def store(self, place: Place, source: Path) -> Command:
        return ["cp", "-r", str(source), str(place.kept / source.name)]

    def restore(self, place: Place, source: Path, target: Path) -> Command:
        return ["cp", "-r", str(place.kept / source.name), str(target)]


PEERS: tuple[type[Peer], ...] = (Datamon, Restic, Borg, Dvc, Tar, Copy)


def found_peers() -> tuple[list[Peer], list[str]]:
    """The tools that this machine has, and the names of those that it lacks."""
    programs = {
        "datamon": "datamon",
        "restic": "restic",
        "borg": "borg",
        "dvc": "dvc",
        "tar|zstd": "zstd",
        "cp -r": "cp",
    }
    made = [peer() for peer in PEERS]
    lacking = [one.name for one in made if _which(programs[one.name]) is None]
    return [one for one in made if one.name not in lacking], lacking


def versions() -> dict[str, str]:
    """What each tool says of itself."""
    asked = {"restic": ["restic", "version"], "borg": ["borg", "--version"], "dvc": ["dvc", "--version"]}
    asked |= {"zstd": ["zstd", "--version"], "tar": ["tar", "--version"]}
    told = {}
    for name, command in asked.items():
        if shutil.which(command[0]):
            told[name] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    return told


def stored_bytes(place: Place) -> int:
    """The bytes of all files that the tool keeps."""
    return sum(path.stat().st_size for path in place.kept.rglob("*") if path.is_file())


def _found(program: str) -> str:
    path = _which(program)
    assert path is not None, program
    return path


def _which(program: str) -> str | None:
    """Where the program is: on PATH, or beside this Python, where `datamon` is."""
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
