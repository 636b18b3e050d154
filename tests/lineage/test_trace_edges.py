"""What a watch cannot see it says; what it says is there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datamon.lineage.capture.trace.choosing import Method
from datamon.lineage.capture.trace.compiled import compiled
from datamon.lineage.testing.traced import sets_below, watched

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("strace") or not shutil.which("cc"), reason="needs strace and cc"
)
METHODS: tuple[Method, Method] = ("seccomp", "strace")
ELSEWHERE = "programs in another root directory or mount namespace"
INSIDE = os.geteuid() == 0


@pytest.fixture
def work(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    (made / "in").mkdir(parents=True)
    for number in range(4):
        (made / "in" / str(number)).write_text("x")
    return made


def built(work: Path, text: str) -> str:
    (work / "p.c").write_text(text)
    subprocess.run(["gcc", "-o", "p", "p.c"], cwd=work, check=True)
    return str(work / "p")


def python(work: Path, text: str) -> tuple[str, ...]:
    (work / "p.py").write_text(text)
    return sys.executable, "-B", "p.py"


NO_READING = """
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int n, char **argv) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {4, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 9;
    execv(argv[1], argv + 1);
    return n;
}
"""


def test_where_no_process_may_read_a_strangers_memory_the_supervisor_does_not_offer_itself(work: Path) -> None:
    """As under Yama's usual rule, for who is not root."""
    supervisor = compiled("supervisor.c", work / "tools", os.environ["PATH"])
    assert supervisor is not None
    assert subprocess.run([supervisor, "--probe"], check=False).returncode == 0
    assert subprocess.run([built(work, NO_READING), supervisor, "--probe"], check=False).returncode == 1


def test_a_path_that_could_not_be_read_makes_the_watch_no_whole_one(work: Path) -> None:
    from datamon.lineage.capture.trace.seccomp import Seccomp

    tracer = Seccomp.found(work / "tools", work, os.environ["PATH"])
    assert tracer is not None
    argv, variables = tracer.start(("/bin/cat", "in/1"), work, dict(os.environ))
    assert subprocess.run([built(work, NO_READING), *argv], cwd=work, env=variables, check=False).returncode == 0
    traced = tracer.finish()
    assert (traced.accesses, traced.whole) == ((), False)
    assert any("could not be read" in note for note in traced.notes)


OF_32_BITS = """
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
int main(void) {
    char *name = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long got;
    strcpy(name, "in/1");
    __asm__ volatile("int $0x80" : "=a"(got) : "a"(NUMBER), "b"(NAME), "c"(FLAGS), "d"(0L) : "memory");
    return got < 0;
}
"""
KINDS_OF_32_BITS = {
    "open": OF_32_BITS.replace("NUMBER", "5L").replace("NAME", "(long)name").replace("FLAGS", "0L"),
    "openat": OF_32_BITS.replace("NUMBER", "295L").replace("NAME", "-100L").replace("FLAGS", "(long)name"),
    "x32": '#include <unistd.h>\nint main(void) { syscall(0x40000000 | 257, -100, "in/1", 0); return 0; }',
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="there are no such calls")
@pytest.mark.parametrize("kind", KINDS_OF_32_BITS)
def test_a_32_bit_call_is_told_as_a_blind_spot(work: Path, kind: str) -> None:
    program = built(work, KINDS_OF_32_BITS[kind])
    if subprocess.run([program], cwd=work, check=False).returncode:
        pytest.skip("this kernel has no such calls")
    _, traced = watched("seccomp", (program,), work, work.parent / "logs")
    assert not traced.whole
    assert "programs of 32 bits" in traced.blind_spots


@pytest.mark.skipif(not INSIDE, reason="needs to be root")
@pytest.mark.parametrize("method", METHODS)
def test_in_another_root_nothing_is_said_of_the_files_that_have_the_same_names_here(work: Path, method: Method) -> None:
    (work / "root" / "work").mkdir(parents=True)
    (work / "root" / "work" / "in").write_text("x")
    (work / "work").mkdir()
    (work / "work" / "in").write_text("mine")
    argv = python(work, "import os\nopen('in/1').read()\nos.chroot('root')\nos.chdir('/')\nopen('/work/in').read()")
    code, traced = watched(method, argv, work, work.parent / "logs")
    assert (code, traced.whole) == (0, False)
    assert ELSEWHERE in traced.blind_spots
    assert "in/1" in sets_below(traced, work.resolve())["read"]
    assert "/work/in" not in {access.path for access in traced.accesses if access.kind == "read"}


@pytest.mark.parametrize("method", METHODS)
def test_another_mount_namespace_is_told_as_a_blind_spot(work: Path, method: Method) -> None:
    ways = ["unshare", "-m", "sh", "-c", "mount --bind root in; cat in/1"]
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs rights to make a mount namespace")
    (work / "root").mkdir()
    (work / "root" / "1").write_text("another")
    code, traced = watched(method, ways, work, work.parent / "logs")
    assert (code, traced.whole) == (0, False)
    assert ELSEWHERE in traced.blind_spots


def test_a_path_that_is_longer_than_a_path_may_be_is_not_silently_left_out(work: Path) -> None:
    name = "d" * 200
    lines = (
        f"import os\nfor _ in range(30):\n    os.mkdir('{name}')\n    os.chdir('{name}')\nopen('deep', 'w').close()\n"
    )
    code, traced = watched("seccomp", python(work, lines), work, work.parent / "logs")
    subprocess.run(["rm", "-r", str(work / name)], check=True)
    assert (code, traced.whole) == (0, False)
    assert any("too long" in note for note in traced.notes)
    assert not any("/proc/" in access.path and "/cwd/" in access.path for access in traced.accesses)


SAME = {
    "a relative path that is long with its directory": (
        "import os\nlong = '/'.join(['e' * 200] * 19)\nos.makedirs(long)\nopen(long + '/f', 'w').write('x')\n"
        "open('./' * 100 + long[:3700] + long[3700:] + '/f').read()"
    ),
    "files made without a name": "import os\nos.close(os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600))\nopen('in/1').read()",
    "descriptors by name": (
        "import os\nf = open('in/1')\nopen(f'/dev/fd/{f.fileno()}').read()\nopen(f'/proc/self/fd/{f.fileno()}').read()\n"
        "os.unlink('in/2') if open('in/2').read() else 0"
    ),
    "vfork, spawn, memfd": (
        "import os, subprocess\nsubprocess.run(['cat', 'in/1'], check=True)\n"
        "spawned = os.posix_spawn('/bin/cat', ['cat'], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 0, 'in/3', 0, 0)])\n"
        "os.waitpid(spawned, 0)\nprogram = os.memfd_create('cat')\nos.write(program, open('/bin/cat', 'rb').read())\n"
        "child = os.fork()\nif child == 0:\n    os.execve(program, ['cat', 'in/2'], os.environ)\nos.waitpid(child, 0)"
    ),
    "mapped, sent, copied": (
        "import mmap, os\nwith open('in/1', 'r+b') as f:\n    mmap.mmap(f.fileno(), 0)[0:1] = b'y'\n"
        "out = os.open('out', os.O_CREAT | os.O_WRONLY)\nos.sendfile(out, os.open('in/2', os.O_RDONLY), 0, 1)\n"
        "os.copy_file_range(os.open('in/3', os.O_RDONLY), out, 1)"
    ),
    "hard links and names that change": (
        "import os\nos.link('in/1', 'hard')\nopen('hard').read()\nos.rename('in/2', 'moved')\nos.rename('in', 'to')\n"
        "open('to/3').read()\nos.replace('moved', 'hard')"
    ),
    "many files": (
        "import os\nos.mkdir('many')\nfor n in range(12000):\n    open(f'many/{n}', 'w').close()\n"
        "for n in range(12000):\n    open(f'many/{n}').close()"
    ),
    "processes of every start method": (
        "import multiprocessing\n\ndef read(n):\n    return open(f'in/{n}').read()\n\nif __name__ == '__main__':\n"
        "    for method in ('fork', 'spawn', 'forkserver'):\n"
        "        with multiprocessing.get_context(method).Pool(2) as pool:\n            pool.map(read, range(4))"
    ),
    "names with any byte": "import os\nfor name in (b'new\\nline', b'\"q\\\\', b'\\xff', 'é> <'.encode()):\n"
    "    open(b'in/' + name, 'w').close()\n    open(b'in/' + name).read()",
}


@pytest.mark.parametrize("what", SAME)
def test_both_see_the_same_files(work: Path, what: str) -> None:
    seen = {}
    for method in METHODS:
        top = work.parent / "copy"
        shutil.copytree(work, top)
        code, traced = watched(method, python(top, SAME[what]), top, work.parent / "logs")
        assert (code, traced.whole) == (0, True)
        found = sets_below(traced, top.resolve())
        seen[method] = {kind: found.get(kind, set()) for kind in ("read", "write", "absent", "list")}
        shutil.rmtree(top)
    assert seen["seccomp"] == seen["strace"]
    assert any("in/" in path or "many/" in path or "eee" in path for path in seen["seccomp"]["read"])
