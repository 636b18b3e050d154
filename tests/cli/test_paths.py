"""`datamon://` and `datamon.open` in the libraries that people use, and the lineage that results."""

import json
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import dask
import dask.dataframe as dd
import duckdb
import fsspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import zarr

import datamon
import datamon.cli.paths
from datamon.cli.environment import process_environment
from datamon.cli.testing import KEPT, Shell
from datamon.errors import DatamonError, Invalid, NotFound
from datamon.store.resolve import resolve

FRAME = pd.DataFrame({"number": range(1000), "letter": ["x", "y"] * 500})
PARTS = ["parts/", *(f"parts/{number}.parquet" for number in range(3))]
"""What reads of the directory `parts` are: it was listed, and each file opened."""
SCRIPT = """\
import subprocess, sys
import pandas as pd
import datamon, datamon.cli.paths

frame = pd.read_parquet("datamon://raw/t.parquet", columns=["number"])
(frame * 2).to_parquet("datamon://made/twice.parquet")
if len(sys.argv) < 2:
    subprocess.run([sys.executable, __file__, "again"], check=True)
    with datamon.open("made/note.txt", "w") as note:
        note.write(str(len(pd.read_parquet("datamon://made/twice.parquet"))))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own in this process, with a repo `raw` that has a table, and an empty repo `made`."""
    monkeypatch.setenv("DATAMON_HOME", str(tmp_path / "home"))
    for name in ("DATAMON_CONFIG", "DATAMON_CONTEXT", "DATAMON_METADATA", "DATAMON_BLOB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    datamon.create_repo("raw")
    datamon.create_repo("made")
    (tmp_path / "tree" / "parts").mkdir(parents=True)
    FRAME.to_parquet(tmp_path / "tree" / "t.parquet")
    FRAME.to_csv(tmp_path / "tree" / "t.csv", index=False)
    for number in range(3):
        FRAME[number::3].to_parquet(tmp_path / "tree" / "parts" / f"{number}.parquet")
    datamon.upload("raw", tmp_path / "tree", message="a table")
    yield tmp_path
    fsspec.filesystem("datamon").clear_instance_cache()


@pytest.fixture
def fs(home: Path) -> Any:
    return fsspec.filesystem("datamon")


class Traced(NamedTuple):
    """What a run used: the files that it opened of `raw`, and those that its output `made` has."""

    read: list[str]
    made: list[str]


def traced(step: str) -> Traced:
    """What the last run of the step used. Its only input is `raw` as it is now, its only output `made`, or none."""
    run = list(datamon.ask("SELECT id, status FROM runs WHERE step = $step ORDER BY started", step=step))[-1]
    assert run["status"] == "succeeded"
    [source] = datamon.ask("SELECT role, repo, ref, bundle, how FROM inputs WHERE run = $run", run=run["id"])
    head = resolve(datamon.open_store(), "raw").bundle
    expected = {"role": "raw", "repo": "raw", "ref": "main", "bundle": head.id, "how": "observed"}
    assert source == expected
    accesses = datamon.ask("SELECT path FROM accesses WHERE run = $run AND kind = 'read'", run=run["id"])
    made = datamon.ask("SELECT bundle FROM outputs WHERE run = $run AND role = 'made'", run=run["id"])
    files = fsspec.filesystem("datamon")
    found = [name for each in made for name in files.find(f"made@{each['bundle']}")]
    return Traced(sorted(each["path"] for each in accesses), [name.partition("/")[2] for name in found])


def test_pandas_reads_and_writes(home: Path) -> None:
    with datamon.run("pandas"):
        table = pd.read_parquet("datamon://raw/t.parquet", columns=["number"])
        text = pd.read_csv("datamon://raw@main/t.csv")
        assert text.equals(FRAME.astype({"letter": text["letter"].dtype}))
        table.to_parquet("datamon://made/t.parquet")
        text.to_csv("datamon://made/deep/t.csv.gz", index=False)
    assert traced("pandas") == Traced(["t.csv", "t.parquet"], ["deep/t.csv.gz", "t.parquet"])
    assert len(pd.read_csv("datamon://made/deep/t.csv.gz")) == 1000
    assert list(pd.read_parquet("datamon://made/t.parquet")["number"]) == list(range(1000))
    pd.read_parquet("datamon://made/t.parquet").to_csv(
        "datamon://made/later.csv", storage_options={"message": "by hand"}
    )
    assert [
        row["message"] for row in datamon.ask("SELECT message FROM bundles WHERE repo = 'made' AND run IS NULL")
    ] == ["by hand"]


def test_pyarrow_datasets_read_and_write(home: Path, fs: Any) -> None:
    with datamon.run("pyarrow"):
        whole = ds.dataset("raw/parts", filesystem=fs).to_table(filter=ds.field("number") < 10)
        assert sorted(whole["number"].to_pylist()) == list(range(10))
        ds.write_dataset(
            whole, "made/by", filesystem=fs, format="parquet", partitioning=["letter"], existing_data_behavior="error"
        )
        assert pq.read_metadata("raw/t.parquet", filesystem=fs).num_rows == 1000
    assert traced("pyarrow") == Traced([*PARTS, "t.parquet"], ["by/x/part-0.parquet", "by/y/part-0.parquet"])
    assert ds.dataset("made/by", filesystem=fs, partitioning=["letter"]).count_rows() == 10
    assert pq.read_table("fsspec+datamon://raw/t.parquet").num_rows == 1000


def test_polars_reads_and_writes(home: Path, fs: Any) -> None:
    with datamon.run("polars"):
        with datamon.open("raw/t.parquet") as file:
            table = pl.read_parquet(file, columns=["number"])
        parts = pl.scan_pyarrow_dataset(ds.dataset("raw/parts", filesystem=fs)).filter(pl.col("number") < 6).collect()
        assert (table.height, sorted(parts["number"])) == (1000, list(range(6)))
        with datamon.open("made/p.parquet", "wb") as out:
            table.write_parquet(out)
    assert traced("polars") == Traced([*PARTS, "t.parquet"], ["p.parquet"])


def test_duckdb_reads_and_writes(home: Path, fs: Any) -> None:
    with datamon.run("duckdb"), duckdb.connect() as connection:
        connection.register_filesystem(fs)
        found = connection.execute("SELECT sum(number) FROM 'datamon://raw/parts/*.parquet'").fetchall()
        assert found == [(499_500,)]
        assert connection.execute("SELECT count(*) FROM read_csv('datamon://raw/t.csv')").fetchall() == [(1000,)]
        connection.execute("COPY (SELECT 1 AS one) TO 'datamon://made/one.parquet'")
    assert traced("duckdb") == Traced([*PARTS, "t.csv"], ["one.parquet"])
    assert pd.read_parquet("datamon://made/one.parquet")["one"][0] == 1


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_dask_reads_and_writes(home: Path, scheduler: str) -> None:
    with datamon.run("dask"), dask.config.set(scheduler=scheduler):
        table = dd.read_parquet("datamon://raw/parts")
        assert table["number"].sum().compute() == 499_500
        table[["number"]].to_parquet("datamon://made/out", write_index=False)
    read, made = traced("dask")
    assert read == PARTS
    assert made == [f"out/part.{number}.parquet" for number in range(3)]
    assert len(pd.read_parquet("datamon://made/out")) == 1000


def test_zarr_reads_and_writes(home: Path, fs: Any) -> None:
    numbers: Any = np.arange(10_000, dtype="i4").reshape(100, 100)
    with fs.transaction:
        array: Any = zarr.open_array("datamon://raw/z", mode="w", shape=(100, 100), chunks=(50, 50), dtype="i4")
        array[:] = numbers
    [count] = datamon.ask("SELECT count(*) AS n FROM bundles WHERE repo = 'raw'")
    assert count["n"] == 2
    with datamon.run("zarr"):
        corner: Any = zarr.open_array("datamon://raw/z", mode="r")[:50, :50]
        assert (corner == numbers[:50, :50]).all()
        made: Any = zarr.open_array("datamon://made/z", mode="w", shape=(50,), chunks=(50,), dtype="i4")
        made[:] = corner.sum(axis=0)
    read, written = traced("zarr")
    assert read == ["z/c/0/0", "z/zarr.json"]
    assert written == ["z/c/0", "z/zarr.json"]


def test_a_step_uses_paths(home: Path) -> None:
    @datamon.step(pipeline="p")
    def count(letter: str) -> int:
        frame = pd.read_csv("datamon://raw/t.csv")
        rows = frame[frame["letter"] == letter]
        rows.to_csv(f"datamon://made/{letter}.csv", index=False)
        return len(rows)

    assert (count("x"), count("y")) == (500, 500)
    assert traced("count") == Traced(["t.csv"], ["x.csv", "y.csv"])
    [why] = datamon.ask("WHAT PRODUCED $ref", ref="made")
    assert why["step"] == "count"
    FRAME.to_csv("datamon://raw/t.csv", index=False, storage_options={"message": "the same"})
    assert list(datamon.ask("WHAT IS STALE")) == []
    FRAME[:10].to_csv("datamon://raw/t.csv", index=False)
    assert [(row["ref"], row["cause"]) for row in datamon.ask("WHAT IS STALE")] == [("made@main", "input")]
    assert list(datamon.ask("WHAT IS STALE USING declared")) == []


def test_a_recorded_command_and_what_it_starts_use_paths(home: Path) -> None:
    (home / "script.py").write_text(SCRIPT)
    variables = {name: value for name, value in process_environment().items() if name in KEPT}
    shell = Shell(home / "person", home, {**variables, "DATAMON_HOME": str(home / "home")})
    ran = shell("run", "record", "--step", "command", "--", sys.executable, "script.py")
    assert ran.code == 0, ran
    assert "wrote made@main" in ran.err
    assert traced("command") == Traced(["t.parquet"], ["note.txt", "twice.parquet"])
    with datamon.open("made/note.txt", "r") as note:
        assert note.read() == "1000"
    (home / "script.py").write_text(SCRIPT + "sys.exit(3 if len(sys.argv) < 2 else 0)\n")
    assert shell("run", "record", "--step", "failing", "--", sys.executable, "script.py").code == 3
    failed = list(datamon.ask("SELECT i.repo FROM inputs i JOIN runs r ON r.id = i.run WHERE r.step = 'failing'"))
    assert failed == [{"repo": "raw"}]
    assert list(datamon.ask("SELECT o.repo FROM outputs o JOIN runs r ON r.id = o.run WHERE r.step = 'failing'")) == []


def test_open_reads_and_writes_bytes_and_text(home: Path) -> None:
    with datamon.open("made/a b/é.txt", "w", encoding="latin-1", newline="\r\n", message="accents") as file:
        file.write("é\n")
    with datamon.open("datamon://made@main/a b/é.txt") as file:
        assert file.read() == b"\xe9\r\n"
    with datamon.open("made:a b/é.txt", "r", encoding="latin-1") as file:
        assert file.read() == "é\n"
    assert [row["message"] for row in datamon.ask("SELECT message FROM bundles WHERE repo = 'made'")] == ["accents"]
    with pytest.raises(FileExistsError):
        datamon.open("made/a b/é.txt", "x")
    with pytest.raises(NotFound, match="é"):
        datamon.open("made/é.txt")
    for mode, options in (("a", {}), ("rb", {"encoding": "utf-8"}), ("q", {})):
        with pytest.raises(Invalid):
            datamon.open("made/x", mode, **options)
    with pytest.raises(DatamonError):
        datamon.open("none/x", "wb")


def test_another_store_has_paths_by_options(home: Path) -> None:
    other = fsspec.filesystem("datamon", store=str(home / "other"))
    assert other.ls("") == []
    assert fsspec.filesystem("datamon").ls("", detail=False) == ["made", "raw"]
    assert other.fsid != fsspec.filesystem("datamon").fsid


def test_a_process_that_was_forked_reads_by_itself(home: Path) -> None:
    with fsspec.open("datamon://raw/t.csv", "rb") as file:
        assert len(file.read()) > 0
    code = "import datamon.cli.paths, pandas; print(len(pandas.read_csv('datamon://raw/t.csv')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1000\n"


def test_the_entry_point_names_the_class() -> None:
    root = Path(datamon.cli.paths.__file__).resolve().parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["fsspec.specs"]["datamon"].partition(":")
    assert getattr(import_module(module), name) is datamon.cli.paths.DatamonFileSystem
    assert any(each.startswith("fsspec") for each in project["optional-dependencies"]["fsspec"])


def test_without_the_extra_paths_say_so_and_open_still_works(home: Path) -> None:
    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "import datamon\n"
        "print(len(datamon.open('raw/t.csv').read()) > 0)\n"
        "try:\n    import datamon.cli.paths\nexcept datamon.errors.Invalid as error:\n    print(error.code, error.extra)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\nmissing-extra fsspec\n", json.dumps(done.stderr)


def test_tables_are_the_same_as_local_ones(home: Path, fs: Any) -> None:
    table = pq.read_table(home / "tree" / "t.parquet")
    assert pq.read_table("raw/t.parquet", filesystem=fs).equals(table)
    assert isinstance(table, pa.Table)


def test_a_run_by_path_is_replayed_on_what_it_read(home: Path) -> None:
    (home / "script.py").write_text(SCRIPT)
    variables = {name: value for name, value in process_environment().items() if name in KEPT}
    shell = Shell(home / "person", home, {**variables, "DATAMON_HOME": str(home / "home")})
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=home, check=True)
    ran = shell("run", "record", "--step", "command", "--code", "script.py", "--", sys.executable, "script.py")
    assert ran.code == 0, ran
    [run] = datamon.ask("SELECT id FROM runs WHERE step = 'command'")
    FRAME[:5].to_parquet("datamon://raw/t.parquet")
    done = shell("run", "replay", str(run["id"]))
    assert done.code == 0, done
    [verdict] = datamon.ask("SELECT verdict FROM replays")
    assert verdict["verdict"] == "matched"


def test_a_process_whose_run_has_ended_or_is_elsewhere_writes_a_bundle_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with datamon.run("ended") as run:
        pass
    monkeypatch.setenv("DATAMON_PARENT_RUN", f"{datamon.open_store().id}/{run.id}")
    FRAME.to_csv("datamon://made/late.csv")
    assert fsspec.filesystem("datamon").exists("made/late.csv")
    assert list(datamon.ask("SELECT run FROM inputs")) == []


KILLED = """\
import os, signal
import datamon
file = datamon.open("made/half.bin", "wb")
file.write(bytes(1_000_000))
file.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_that_was_killed_left_nothing_and_the_next_one_clears_up(home: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED], check=False).returncode == -signal.SIGKILL
    work = datamon.open_store().state_dir
    assert work is not None
    assert len(list((work / "work").iterdir())) == 1
    with datamon.open("made/whole.txt", "w") as file:
        file.write("whole")
    assert list((work / "work").iterdir()) == []
    assert fsspec.filesystem("datamon").find("made") == ["made/whole.txt"]


def test_a_run_that_was_killed_is_told_of_and_committed_nothing(home: Path) -> None:
    code = KILLED.replace("file =", "run = datamon.run('killed').__enter__()\ndatamon.open('raw/t.csv').read()\nfile =")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    place = datamon.open_store().state_dir
    assert place is not None
    assert len(list((place / "paths").iterdir())) == 1
    variables = {name: value for name, value in process_environment().items() if name in KEPT}
    shell = Shell(home / "person", home, {**variables, "DATAMON_HOME": str(home / "home")})
    assert "is abandoned" in shell("run", "list").err
    assert list((place / "paths").iterdir()) == []
    assert list(datamon.ask("SELECT id FROM bundles WHERE repo = 'made'")) == []


def test_what_is_stale_by_path_is_rebuilt(home: Path) -> None:
    (home / "script.py").write_text(SCRIPT)
    variables = {name: value for name, value in process_environment().items() if name in KEPT}
    shell = Shell(home / "person", home, {**variables, "DATAMON_HOME": str(home / "home")})
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=home, check=True)
    assert shell("run", "record", "--step", "command", "--", sys.executable, "script.py").code == 0
    FRAME[:5].to_parquet("datamon://raw/t.parquet")
    assert [row["cause"] for row in datamon.ask("WHAT IS STALE")] == ["input"]
    done = shell("rebuild", "made")
    assert done.code == 0, done
    assert list(datamon.ask("WHAT IS STALE")) == []
    assert datamon.open("made/note.txt", "r").read() == "5"


@pytest.mark.slow
def test_a_process_that_ends_right_after_a_read_ends_well(home: Path) -> None:
    """pyarrow's threads still hold the file system for a moment; before this was waited for, one in six aborted."""
    code = "import datamon.cli.paths, pandas; pandas.read_parquet('datamon://raw/t.parquet', columns=['number'])"
    for _ in range(30):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


FULL = """\
import resource
import datamon, datamon.cli.paths, pandas
def write():
    with datamon.open("made/x", "wb") as file:
        file.write(bytes(1_000_000))
frame = pandas.DataFrame({"a": range(200_000)})
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
for attempt in (write, lambda: frame.to_csv("datamon://made/x.csv"), lambda: frame.to_parquet("datamon://made/x")):
    try:
        attempt()
    except OSError as error:
        print(error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with datamon.open("made/small", "w") as file:
    file.write("fits")
"""


def test_a_disk_that_takes_no_more_is_an_error_and_nothing_is_kept(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "File too large\n" * 3), done
    assert fsspec.filesystem("datamon").find("made") == ["made/small"]
    place = datamon.open_store().state_dir
    assert place is not None
    assert list((place / "work").iterdir()) == []
