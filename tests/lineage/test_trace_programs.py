"""Watching by seccomp against strace as the oracle, on real programs: the same files read, written and looked for."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from datamon.lineage.capture.trace.choosing import Method
from datamon.lineage.testing.traced import sets_below, watched

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("strace") or not shutil.which("cc"), reason="needs strace and cc"
)
ORACLE: tuple[Method, Method] = ("seccomp", "strace")
KINDS = ("read", "write", "absent", "list")


def check_same(argv: Sequence[str], work: Path, expected: set[str], *, lists: bool = True) -> None:
    """Each tracer sees a copy of `work`: what the command leaves behind does not change what the next one meets."""
    kinds = KINDS if lists else KINDS[:3]
    seen = {}
    for method in ORACLE:
        top = work.parent / "copy"
        shutil.copytree(work, top, symlinks=True)
        code, traced = watched(method, argv, top, work.parent / "logs")
        assert code == 0
        assert traced.whole
        found = sets_below(traced, top.resolve())
        seen[method] = {kind: _settled(found.get(kind, set())) for kind in kinds}
        shutil.rmtree(top)
    assert seen["seccomp"] == seen["strace"]
    assert expected <= seen["seccomp"]["read"] | seen["seccomp"]["write"]


def _settled(paths: set[str]) -> set[str]:
    """Without names that programs make up anew each time."""
    return {path for path in paths if not any(word in path for word in ("tmp_obj_", ".tmp", "__pycache__", "/cc"))}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


PARQUET = """
import sys, pandas, pyarrow.parquet as pq
{read}
"""


@pytest.mark.parametrize(
    "read",
    [
        "[pandas.read_parquet(f'in/{n}.parquet') for n in range(5)]",
        "[pq.read_table(f'in/{n}.parquet') for n in range(5)]",
        "pq.read_table('in')",
    ],
)
def test_pandas_and_pyarrow_read_the_same_files_for_both(work: Path, read: str) -> None:
    import pandas

    (work / "in").mkdir()
    for number in range(5):
        pandas.DataFrame({"a": [number]}).to_parquet(work / "in" / f"{number}.parquet")
    (work / "read.py").write_text(PARQUET.format(read=read))
    expected = {"read.py", *(f"in/{number}.parquet" for number in range(5))}
    check_same((sys.executable, "-B", "read.py"), work, expected)


def test_a_build_with_make(work: Path) -> None:
    rules = ["all: prog", "prog: a.o b.o", "\tgcc -o prog a.o b.o", "%.o: %.c both.h", "\tgcc -c $<"]
    (work / "Makefile").write_text("\n".join(rules) + "\n")
    (work / "both.h").write_text("int other(void);\n")
    (work / "a.c").write_text('#include "both.h"\nint main(void) { return other(); }\n')
    (work / "b.c").write_text('#include "both.h"\nint other(void) { return 0; }\n')
    check_same(("make", "all"), work, {"Makefile", "both.h", "a.c", "b.c", "a.o", "b.o", "prog"})


def test_a_shell_pipeline(work: Path) -> None:
    (work / "in").mkdir()
    for name in ("a", "b"):
        (work / "in" / name).write_text("2\n1\n")
    script = "cat in/a in/b | sort | uniq > out; (cd in && cat a > ../c); mv c d; rm d; cat none 2>/dev/null; ls in >l"
    check_same(("sh", "-c", script), work, {"in/a", "in/b", "out", "c", "d"})


def test_git(work: Path) -> None:
    (work / "a").write_text("a\n")
    for words in (("init", "-q"), ("add", "a")):
        subprocess.run(["git", *words], cwd=work, check=True)
    # At one time, whoever watches: the name of a commit is a hash of its time, too.
    script = "export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'; "
    script += "git -c user.name=x -c user.email=x@x commit -q -m one && git status --short && git log --oneline"
    check_same(("sh", "-c", script), work, {".git/config", ".git/HEAD", ".git/index"})


STATIC = """
#include <fcntl.h>
#include <unistd.h>
int main(void) { char c; int f = open("in", O_RDONLY), g = creat("out", 0600); read(f, &c, 1); return write(g, &c, 1) != 1; }
"""


def test_a_static_program(work: Path) -> None:
    (work / "p.c").write_text(STATIC)
    (work / "in").write_text("x")
    subprocess.run(["gcc", "-static", "-o", "p", "p.c"], cwd=work, check=True)
    check_same(("./p",), work, {"in", "out", "p"})


STORM = """
import os, subprocess, threading
def one(n):
    for k in range(20):
        open(f'in/{n}').read(); open(f'out/{n}.{k}', 'w').write('x')
threads = [threading.Thread(target=one, args=(n,)) for n in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
fds = os.open('in', os.O_RDONLY)
os.close(os.open('2', os.O_RDONLY, dir_fd=fds))
os.symlink('1', 'in/link'); open('in/link').read()
os.rename('in/3', 'in/moved'); os.unlink('in/moved'); open('in/moved', 'w').write('again')
os.chdir('out'); open('../in/0').read()
for n in range(20):
    pid = os.fork()
    if pid == 0:
        open(f'../in/{n % 3}').read(); os._exit(0)
    os.waitpid(pid, 0)
    subprocess.run(['cat', f'../in/{n % 3}'], stdout=subprocess.DEVNULL, check=True)
try: os.open('0.0', os.O_CREAT | os.O_EXCL | os.O_WRONLY)
except FileExistsError: pass
"""


def test_threads_forks_directories_links_renames_and_files_made_anew(work: Path) -> None:
    (work / "in").mkdir()
    (work / "out").mkdir()
    for number in range(4):
        (work / "in" / str(number)).write_text("x")
    (work / "storm.py").write_text(STORM)
    check_same(
        (sys.executable, "-B", "storm.py"), work, {"in/0", "in/1", "in/2", "in/3", "in/link", "in/moved", "out/0.0"}
    )


OPENAT2 = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    return syscall(SYS_openat2, AT_FDCWD, "in", &how, sizeof how) < 0;
}
"""


def test_openat2(work: Path) -> None:
    (work / "p.c").write_text(OPENAT2)
    (work / "in").write_text("x")
    subprocess.run(["gcc", "-o", "p", "p.c"], cwd=work, check=True)
    check_same(("./p",), work, {"in"})


def test_io_uring_is_told_as_a_blind_spot(work: Path) -> None:
    (work / "p.c").write_text(
        "#include <sys/syscall.h>\n#include <unistd.h>\nint main(void) { char p[200] = {0}; "
        "syscall(425, 1, p); return 0; }\n"
    )
    subprocess.run(["gcc", "-o", "p", "p.c"], cwd=work, check=True)
    for method in ORACLE:
        code, traced = watched(method, ("./p",), work, work.parent / "logs")
        assert (code, traced.whole) == (0, False)
        assert "what went through io_uring" in traced.blind_spots
