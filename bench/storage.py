"""How fast, how small and how frugal the store is, against what people would pick instead: same bytes, same machine, same run.

    python bench/storage.py --rounds 5
    python bench/storage.py --rounds 1 --share 0.05        # a quick look, a twentieth of the bytes

Each round goes through all tools, each in a new store: a large file, its second version, restored; many small files, restored
to a memory file system, stored again unchanged. Prints medians and the ratios that matter, and with `--write` puts them into
docs/benchmarks.md. A tool that the machine lacks is named and left out.
"""

import argparse
import datetime
import filecmp
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from contents import LARGE_BYTES, SMALL_FILES, make_large, make_second, make_small
from entries import Scale, measure_entries
from peers import Command, Datamon, Dvc, Peer, Place, found_peers, stored_bytes, versions

MEMORY = Path("/dev/shm")
LAUNCH = Path(__file__).parent / "launch.py"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- storage: made by bench/storage.py -->\n", "<!-- end of storage -->\n"


@dataclass(frozen=True)
class Took:
    """One command: seconds by the clock, seconds of all cores, the most memory of one of its processes in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass
class Figures:
    """What was measured, by (tool, work)."""

    took: dict[tuple[str, str], list[Took]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    entries: Scale | None = None

    def wall(self, tool: str, work: str) -> float:
        """The median by the clock, in seconds; NaN when it was not measured."""
        return _median([one.wall_s for one in self.took.get((tool, work), [])])

    def cpu(self, tool: str, work: str) -> float:
        """The median over all cores, in seconds."""
        return _median([one.cpu_s for one in self.took.get((tool, work), [])])

    def peak(self, tool: str, work: str) -> float:
        """The most memory in any round, in MB."""
        return max((one.peak_mb for one in self.took.get((tool, work), [])), default=float("nan"))

    def stored(self, tool: str, work: str) -> float:
        """The median of bytes that storing added, in MB."""
        return _median(self.kept.get((tool, work), []))


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def timed(command: Command, place: Place) -> Took:
    """Runs the command to its end. Raises SystemExit when it fails."""
    launched = [sys.executable, "-I", str(LAUNCH), *command]
    ran = subprocess.run(launched, cwd=place.home, env=place.environment(), check=True, capture_output=True, text=True)
    told = json.loads(ran.stdout)
    if told["code"]:
        raise SystemExit(f"{' '.join(command)} ended with {told['code']}: {told['output']}")
    return Took(told["wall_s"], told["cpu_s"], told["peak_mb"])


@dataclass(frozen=True)
class Sources:
    """The directories that are stored."""

    first: Path
    second: Path
    small: Path


def made_sources(root: Path, share: float) -> Sources:
    """The directories, made below `root`."""
    sources = Sources(root / "first", root / "second", root / "small")
    make_large(sources.first / "mixed.bin", int(LARGE_BYTES * share))
    make_second(sources.first / "mixed.bin", sources.second / "mixed.bin", share)
    make_small(sources.small, int(SMALL_FILES * share))
    return sources


@contextmanager
def _place(root: Path) -> Iterator[Place]:
    home = Path(tempfile.mkdtemp(dir=root))
    try:
        yield Place(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        os.sync()


def one_round(peers: list[Peer], sources: Sources, root: Path, figures: Figures) -> None:
    """Every tool does everything once."""
    for peer in peers:
        with _place(root) as place:
            peer.prepare(place)
            _store(peer, place, sources.first, "first", figures)
            _restore(peer, place, sources.first, place.home / "out", "restore first", figures)
            _store(peer, place, sources.second, "second", figures)
        with _place(root) as place:
            peer.prepare(place)
            _store(peer, place, sources.small, "small", figures)
            with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else root) as out:
                _restore(peer, place, sources.small, Path(out) / "out", "restore small", figures)
            if peer.name in ("datamon", "restic", "borg", "dvc"):
                _store(peer, place, sources.small, "unchanged", figures, stage=False)


def _store(peer: Peer, place: Place, source: Path, work: str, figures: Figures, *, stage: bool = True) -> None:
    if stage:
        peer.stage(place, source)
    command = peer.store(place, source)
    _warm(source)
    os.sync()
    before = stored_bytes(place)
    figures.took[peer.name, work].append(timed(command, place))
    figures.kept[peer.name, work].append((stored_bytes(place) - before) / 1e6)
    _say(f"  {peer.name:9} {work:14} {figures.took[peer.name, work][-1].wall_s:7.2f} s")


def _warm(source: Path) -> None:
    """All of the source is in memory, for every tool alike, whatever the one before it left there."""
    room = bytearray(2**20)
    for path in source.rglob("*"):
        if path.is_file():
            with open(path, "rb", buffering=0) as file:
                while file.readinto(room):
                    pass


def _restore(peer: Peer, place: Place, source: Path, target: Path, work: str, figures: Figures) -> None:
    command = peer.restore(place, source, target)
    os.sync()
    figures.took[peer.name, work].append(timed(command, place))
    _say(f"  {peer.name:9} {work:14} {figures.took[peer.name, work][-1].wall_s:7.2f} s")
    if not isinstance(peer, Dvc):
        _check_same(source, target)
    shutil.rmtree(target, ignore_errors=True)


def _check_same(source: Path, target: Path) -> None:
    """A sample of the restored files has the source's bytes. Raises SystemExit."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    restored = {path.name: path for path in target.rglob("*") if path.is_file()}
    if len(restored) != len(files):
        raise SystemExit(f"{target} has {len(restored)} files, not {len(files)}")
    for path in files[:: max(1, len(files) // 50)]:
        if not filecmp.cmp(path, restored[path.name], shallow=False):
            raise SystemExit(f"{restored[path.name]} is not what was stored")


WORKS = (
    ("first", "large file"),
    ("second", "its second version"),
    ("restore first", "large file restored"),
    ("small", "small files"),
    ("restore small", "small files restored (tmpfs)"),
    ("unchanged", "small files again, unchanged"),
)


def page(figures: Figures, peers: list[Peer], lacking: list[str], arguments: argparse.Namespace, load: float) -> str:
    """The section of docs/benchmarks.md."""
    names = [peer.name for peer in peers]
    told = "; ".join(f"{name}: {version}" for name, version in versions().items())
    lines = [
        "## The store against what people would pick instead",
        "",
        f"`make bench` (`bench/storage.py`), {datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}: {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, load {load:.1f} at the start. "
        f"Medians of {arguments.rounds} rounds, in each round every tool in turn in a new store, what is stored "
        f"read once before. {told}."
        + (f" Not on this machine: {', '.join(lacking)}." if lacking else "")
        + (f" A share of {arguments.share} of the full work." if arguments.share != 1 else ""),
        "",
        "Seconds by the clock (in brackets seconds of all cores):",
        "",
        "| | " + " | ".join(names) + " |",
        "| --- |" + " --- |" * len(names),
    ]
    for work, title in WORKS:
        cells = [f"{figures.wall(name, work):.2f} ({figures.cpu(name, work):.1f})" for name in names]
        lines.append(f"| {title} | " + " | ".join("" if "nan" in cell else cell for cell in cells) + " |")
    for work, title in WORKS[:2] + WORKS[3:4]:
        cells = [f"{figures.stored(name, work):.0f} MB" for name in names]
        lines.append(f"| bytes stored: {title} | " + " | ".join(cells) + " |")
    lines += ["", "| what must hold | limit | measured |", "| --- | --- | --- |"]
    lines += [f"| {claim} | {limit} | **{measured}** |" for claim, limit, measured in claims(figures)]
    return "\n".join(lines) + "\n"


def claims(figures: Figures) -> list[tuple[str, str, str]]:
    """What the store must reach, and what it reached."""

    def ratio(one: float, other: float) -> str:
        return f"{one / other:.2f}"

    wall, ours = figures.wall, "datamon"
    new_bytes = ratio(figures.stored(ours, "second"), figures.stored("restic", "second"))
    rows = [
        ("large file, time / `tar \\| zstd -1 -T2`", "≤ 1.2", ratio(wall(ours, "first"), wall("tar|zstd", "first"))),
        ("large file, restic's time / ours", "≥ 2", ratio(wall("restic", "first"), wall(ours, "first"))),
        ("second version, restic's time / ours", "≥ 3", ratio(wall("restic", "second"), wall(ours, "second"))),
        ("second version, new bytes / restic's", "≤ 0.35", new_bytes),
        ("small files in, restic's time / ours", "≥ 2", ratio(wall("restic", "small"), wall(ours, "small"))),
        (
            "small files out, restic's time / ours",
            "≥ 2",
            ratio(wall("restic", "restore small"), wall(ours, "restore small")),
        ),
        ("unchanged tree", "≤ 0.5 s", f"{wall(ours, 'unchanged'):.2f} s"),
        (
            "large file restored, restic's time / ours",
            "≥ 1",
            ratio(wall("restic", "restore first"), wall(ours, "restore first")),
        ),
        (
            "peak memory in",
            "≤ 300 MB",
            f"{max(figures.peak(ours, work) for work in ('first', 'second', 'small')):.0f} MB",
        ),
        (
            "peak memory out",
            "≤ 200 MB",
            f"{max(figures.peak(ours, work) for work in ('restore first', 'restore small')):.0f} MB",
        ),
    ]
    if figures.entries is not None:
        rows.append(
            (f"look-up among {figures.entries.rows:,} entries", "≤ 20 ms", f"{figures.entries.look_up_s * 1000:.1f} ms")
        )
        rows.append((f"diff of {figures.entries.rows:,} entries", "≤ 1 s", f"{figures.entries.diff_s:.2f} s"))
    return rows


def write_page(section: str) -> None:
    """Puts the section into docs/benchmarks.md, in the place of the one before."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + section + END + after)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    """Measures, prints, and writes where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--share", type=float, default=1.0, help="how much of the full work: 1 is 2 GiB and 50,000 files"
    )
    parser.add_argument("--only", nargs="*", help="the tools to run; default: all there are")
    parser.add_argument("--root", type=Path, help="where to work; default: the temporary directory")
    parser.add_argument("--write", action="store_true", help="put the result into docs/benchmarks.md")
    arguments = parser.parse_args()
    peers, lacking = found_peers()
    peers = [peer for peer in peers if not arguments.only or peer.name in arguments.only]
    if not any(isinstance(peer, Datamon) for peer in peers):
        raise SystemExit("there is no `datamon` on PATH; run `make bench`")
    load = os.getloadavg()[0]
    figures = Figures()
    with tempfile.TemporaryDirectory(dir=arguments.root) as root:
        sources = made_sources(Path(root) / "sources", arguments.share)
        for number in range(arguments.rounds):
            _say(f"round {number + 1} of {arguments.rounds}")
            one_round(peers, sources, Path(root), figures)
        figures.entries = measure_entries(int(1_000_000 * arguments.share))
    section = page(figures, peers, lacking, arguments, load)
    sys.stdout.write(section)
    if arguments.write:
        write_page(section)


if __name__ == "__main__":
    main()
