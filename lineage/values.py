"""Values that steps return: kept as one file of a bundle, and read from one again. Nothing is pickled.

A table becomes `value.parquet`, lists, mappings and numbers `value.json`, text `value.txt`, bytes `value.bin`; a path is the file
or the tree that lies there.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datamon.errors import Invalid

Write = Callable[[Any, Path], None]
"""Writes a returned value into an empty directory."""
STEM = "value"


def write_value(value: object, directory: Path) -> None:
    """The files of `directory` stand for the value. Raises Invalid (`bad-argument`) for what no file can stand for, NotFound from
    the file system for a path where nothing lies."""
    if isinstance(value, Path):
        _copy(value, directory)
    elif isinstance(value, bytes | bytearray | memoryview):
        (directory / f"{STEM}.bin").write_bytes(value)
    elif isinstance(value, str):
        (directory / f"{STEM}.txt").write_text(value, encoding="utf-8", newline="")
    elif hasattr(value, "__arrow_c_stream__") or _is_pandas(value):
        _write_table(value, directory / f"{STEM}.parquet")
    else:
        (directory / f"{STEM}.json").write_text(_json(value), encoding="utf-8")


def read_value(directory: Path, wanted: object) -> Any:
    """The value that the directory of an input stands for, a table as the class `wanted`; the directory itself where no returned
    value made it."""
    found = [path for path in directory.iterdir() if path.is_file()]
    if len(found) != 1 or found[0].stem != STEM:
        return directory
    path = found[0]
    match path.suffix:
        case ".parquet":
            return _read_table(path, wanted)
        case ".json":
            return json.loads(path.read_text(encoding="utf-8"))
        case ".txt":
            with path.open(encoding="utf-8", newline="") as file:
                return file.read()
        case ".bin":
            return path.read_bytes()
    return directory


def _json(value: object) -> str:
    if not _is_plain(value):
        raise Invalid(
            "bad-argument",
            f"no file can stand for a returned {type(value).__name__}; return a table, a list or mapping of plain values, text, "
            "bytes or a path, or say how with `write=`",
            type=type(value).__name__,
        )
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise Invalid("bad-argument", f"JSON cannot say the returned value ({error}); say how with `write=`") from None


def _is_plain(value: object) -> bool:
    """Whether JSON gives the very value back."""
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(type(key) is str and _is_plain(each) for key, each in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _copy(source: Path, directory: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, directory, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, directory / source.name)


def _is_pandas(value: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def _write_table(value: Any, path: Path) -> None:
    import pyarrow as pa  # 90 ms, which a run without tables does not need
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(value) if _is_pandas(value) else pa.table(value)
    pq.write_table(table, path)


def _read_table(path: Path, wanted: object) -> Any:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    made_by = getattr(wanted, "__module__", "").partition(".")[0]
    if made_by == "pandas":
        return table.to_pandas()
    if made_by == "polars":
        import polars

        return polars.from_arrow(table)
    return table
