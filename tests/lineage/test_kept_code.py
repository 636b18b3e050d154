"""The code of a run is kept with it: once for one content, bit by bit, and can be brought back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datamon.errors import NotFound
from datamon.lineage.checking import check_runs
from datamon.lineage.command import CommandOutcome
from datamon.lineage.decorators import make_step
from datamon.lineage.kept_code import CODE_ROLE
from datamon.lineage.recording import Policy
from datamon.lineage.records import CodeVersion, Run
from datamon.lineage.restoring import restore_code
from datamon.lineage.secrets import Redactor
from datamon.lineage.testing.bench import Bench
from datamon.store.bundle import Author
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.ids import BundleId
from datamon.store.names import RUNS_REPO
from datamon.store.opening import Places, open_store
from datamon.store.repos import runs_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles

PYTHON = sys.executable
ADA = Author("Ada", "ada@example.org")
SECRET = "hunter2-and-more"
PROJECT = {
    "run/train.py": "import lib.fit\nimport tables  # its numbers\nprint(lib.fit.fit(tables.N))\n",
    "lib/__init__.py": "",
    "lib/fit.py": "from . import deep\n\n\ndef fit(n):\n    return deep.twice(n)\n",
    "lib/deep.py": "def twice(n):\n    return 2 * n\n",
    "lib/unused.py": "raise SystemExit(3)\n",
    "run/tables.py": "N = 21\n",
    "notes.txt": "not code\n",
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench.make(tmp_path / "bench")
    write(bench.work, PROJECT)
    subprocess.run(["git", "init", "-q"], cwd=bench.work, check=True)
    return bench


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def code_of(bench: Bench, outcome: CommandOutcome) -> CodeVersion:
    return bench.run_of(outcome).opened.code


def restored(bench: Bench, run: Run, place: Path) -> dict[str, bytes]:
    restore_code(bench.store, run, place)
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def kept(bench: Bench) -> list[BundleId]:
    return [bundle.id for bundle in bench.bundles(RUNS_REPO).values() if bundle.role == CODE_ROLE]


def test_a_script_is_kept_with_all_that_it_imports_and_runs_where_it_is_brought_back(
    bench: Bench, tmp_path: Path
) -> None:
    outcome = bench.record(PYTHON, "run/train.py")
    found = restored(bench, bench.run_of(outcome), tmp_path / "then")
    names = ["run/train.py", "lib/__init__.py", "lib/fit.py", "lib/deep.py", "run/tables.py"]
    assert found == {name: PROJECT[name].encode() for name in names}
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "then")}
    done = subprocess.run(
        [PYTHON, "run/train.py"], cwd=tmp_path / "then", env=environment, capture_output=True, check=True
    )
    assert done.stdout == b"42\n"


def test_the_kept_code_is_what_stood_there_when_the_run_began(bench: Bench, tmp_path: Path) -> None:
    bench.record(PYTHON, "run/train.py")
    write(bench.work, {"lib/deep.py": "def twice(n):\n    return 3 * n\n"})
    bench.record(PYTHON, "run/train.py")
    first, second = bench.runs()
    assert restored(bench, first, tmp_path / "first")["lib/deep.py"] == PROJECT["lib/deep.py"].encode()
    assert b"3 * n" in restored(bench, second, tmp_path / "second")["lib/deep.py"]


def test_a_run_of_unchanged_code_adds_nothing(bench: Bench) -> None:
    first = code_of(bench, bench.record("sh", "-c", "python3 run/train.py >/dev/null 2>&1 || true"))
    before = bench.bundles(RUNS_REPO)
    second = code_of(bench, bench.record("sh", "-c", "python3 run/train.py >/dev/null 2>&1 || true"))
    assert first.bundle == second.bundle is not None
    assert bench.bundles(RUNS_REPO) == before


def test_code_that_came_back_is_found_again_also_by_another_process(tmp_path: Path) -> None:
    places = Places(str(tmp_path / "metadata"), str(tmp_path / "blob"))
    bench = Bench.make(tmp_path / "bench", open_store(places, ADA))
    write(bench.work, PROJECT)
    first = code_of(bench, bench.record(PYTHON, "run/train.py"))
    write(bench.work, {"run/tables.py": "N = 22\n"})
    second = code_of(bench, bench.record(PYTHON, "run/train.py"))
    write(bench.work, {"run/tables.py": PROJECT["run/tables.py"]})
    script = f"""
from pathlib import Path
from datamon.lineage.testing.bench import Bench
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store

bench = Bench(Path({str(bench.work)!r}), open_store(Places({places.metadata!r}, {places.blob!r}), Author("Ada", "a@b")))
print(bench.run_of(bench.record({PYTHON!r}, "run/train.py")).opened.code.bundle)
"""
    done = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == first.bundle != second.bundle


def test_a_comment_is_another_bundle_of_the_same_fingerprint(bench: Bench) -> None:
    first = code_of(bench, bench.record(PYTHON, "run/train.py"))
    write(bench.work, {"run/tables.py": "N = 21  # more\n"})
    second = code_of(bench, bench.record(PYTHON, "run/train.py"))
    assert first.fingerprint == second.fingerprint
    assert first.bundle != second.bundle


def test_the_same_code_in_another_place_is_the_same_bundle(bench: Bench, tmp_path: Path) -> None:
    first = code_of(bench, bench.record(PYTHON, "run/train.py"))
    write(tmp_path / "clone", PROJECT)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "clone", check=True)
    assert code_of(bench, bench.record(PYTHON, "run/train.py", cwd=tmp_path / "clone")).bundle == first.bundle


def test_declared_paths_are_kept_with_files_links_and_executable_bits(bench: Bench, tmp_path: Path) -> None:
    (bench.work / "lib/run.sh").write_text("true\n")
    (bench.work / "lib/run.sh").chmod(0o755)
    (bench.work / "lib/link").symlink_to("deep.py")
    outcome = bench.record("true", code=(Path("lib"), Path("notes.txt")))
    found = restored(bench, bench.run_of(outcome), tmp_path / "then")
    assert set(found) == {
        "lib/__init__.py",
        "lib/fit.py",
        "lib/deep.py",
        "lib/unused.py",
        "lib/run.sh",
        "lib/link",
        "notes.txt",
    }
    assert (tmp_path / "then/lib/run.sh").stat().st_mode & 0o100
    assert (tmp_path / "then/lib/link").readlink() == Path("deep.py")


def test_code_outside_the_code_root_is_kept_below_a_folder_of_its_own(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere/go.sh": "true\n"})
    outcome = bench.record("sh", str(tmp_path / "elsewhere/go.sh"))
    found = restored(bench, bench.run_of(outcome), tmp_path / "then")
    assert found == {f".outside{tmp_path}/elsewhere/go.sh": b"true\n"}


def test_a_file_with_a_secret_value_is_kept_masked_and_the_record_and_a_note_say_so(
    bench: Bench, tmp_path: Path
) -> None:
    write(bench.work, {"run/tables.py": f"N = 21\nKEY = '{SECRET}'\n"})
    bench.policy = Policy(variables=dict(os.environ), redactor=Redactor(values=(SECRET,)))
    outcome = bench.record(PYTHON, "run/train.py")
    assert code_of(bench, outcome).masked == ("run/tables.py",)
    assert any("run/tables.py" in note and "not exact" in note for note in outcome.notes)
    found = restored(bench, bench.run_of(outcome), tmp_path / "then")
    assert found["run/tables.py"] == b"N = 21\nKEY = '***'\n"
    assert found["lib/deep.py"] == PROJECT["lib/deep.py"].encode()
    again = bench.record(PYTHON, "run/train.py")
    assert code_of(bench, again) == code_of(bench, outcome)
    assert again.notes == outcome.notes


def test_a_function_is_kept_with_what_its_module_imports(bench: Bench, tmp_path: Path) -> None:
    write(
        bench.work,
        {"steps_kept.py": "import lib.fit\nfrom run import tables\n\n\ndef go():\n    return lib.fit.fit(2)\n"},
    )
    sys.path.insert(0, str(bench.work))
    try:
        from importlib import import_module

        module = import_module("steps_kept")
        step = make_step(lambda: bench.store)()(module.go)
        assert step() == step() == 4
    finally:
        sys.path.remove(str(bench.work))
        for name in ("steps_kept", "lib", "lib.fit", "lib.deep", "run", "run.tables"):
            sys.modules.pop(name, None)
    first, second = bench.runs()
    assert first.opened.code.bundle == second.opened.code.bundle
    assert set(restored(bench, first, tmp_path / "then")) == {
        *("steps_kept.py", "lib/__init__.py", "lib/fit.py", "lib/deep.py", "run/tables.py")
    }


def test_a_run_that_is_killed_has_its_code(bench: Bench, tmp_path: Path) -> None:
    bench.record("sh", "-c", "python3 run/train.py; kill -9 $$")
    [run] = bench.runs()
    assert "run/train.py" in restored(bench, run, tmp_path / "then")


def test_the_code_is_durable_before_the_run_is_opened(bench: Bench) -> None:
    outcome = bench.record(PYTHON, "run/train.py")
    [bundle] = kept(bench)
    opening = bench.run_of(outcome).opened
    assert opening.code.bundle == bundle
    assert bench.bundles(RUNS_REPO)[bundle].time_ns <= opening.started_ns
    assert bench.bundles(RUNS_REPO)[bundle].run is None


def test_a_command_without_code_keeps_none_and_says_so_when_it_is_asked_for(bench: Bench, tmp_path: Path) -> None:
    outcome = bench.record("true")
    assert "bundle" not in code_of(bench, outcome).to_record()
    with pytest.raises(NotFound) as raised:
        restore_code(bench.store, bench.run_of(outcome), tmp_path / "then")
    assert raised.value.code == "code-not-kept"


def test_gc_and_check_leave_the_code_of_runs_alone(bench: Bench, tmp_path: Path) -> None:
    outcome = bench.record(PYTHON, "run/train.py")
    collect(bench.store, GcRequest(grace_ns=0))
    assert list(check_runs(bench.store)) == []
    assert "run/train.py" in restored(bench, bench.run_of(outcome), tmp_path / "then")


def test_code_that_was_deleted_is_kept_anew_by_the_next_run(bench: Bench, tmp_path: Path) -> None:
    bench.record(PYTHON, "run/train.py")
    [bundle] = kept(bench)
    delete_bundles(bench.store, runs_repo(bench.store), DeleteRequest((bundle,), force=True))
    os.utime(bench.work / "run/train.py", ns=(1, 1))  # else this process believes what it knows
    outcome = bench.record(PYTHON, "run/train.py")
    assert code_of(bench, outcome).bundle != bundle
    assert "run/train.py" in restored(bench, bench.run_of(outcome), tmp_path / "then")


def test_code_that_cannot_be_kept_is_a_note_and_the_run_goes_on(bench: Bench) -> None:
    write(
        bench.work, {f"lib/{SECRET}": "", "lib/***/a.py": ""}
    )  # a file and a folder of one name, once the secret is masked
    bench.policy = Policy(variables=dict(os.environ), redactor=Redactor(values=(SECRET,)))
    outcome = bench.record("true", code=(Path("lib"),))
    assert (outcome.status, code_of(bench, outcome).bundle) == ("succeeded", None)
    assert [note for note in outcome.notes if note.startswith("the code is not kept: ")]


def test_a_name_that_is_no_unicode_is_spelled_out(bench: Bench, tmp_path: Path) -> None:
    (bench.work / os.fsdecode(b"lib/\xff.py")).write_text("N = 1\n")
    outcome = bench.record("true", code=(Path("lib"),))
    assert restored(bench, bench.run_of(outcome), tmp_path / "then")["lib/\\udcff.py"] == b"N = 1\n"
