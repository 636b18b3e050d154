"""The metrics that a command leaves in a file."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamon.errors import Denied, Invalid, NotFound
from datamon.lineage.records import Metric

MOST_METRICS = 10_000
"""A metrics file with more numbers than this is refused."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file as it stood at one moment, enough to tell whether it was written since."""

    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


def stamp(path: Path) -> FileStamp | None:
    """How the file stands now; None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileStamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_metrics(path: Path) -> tuple[Metric, ...]:
    """The numbers of a JSON file, nested ones under dotted names, true and false as 1 and 0, in the file's order. Texts, nulls
    and lists are no metrics. Raises NotFound (`path-not-found`), Denied (`unreadable`), Invalid (`bad-metrics`)."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(
            "path-not-found", f"there is no metrics file {path}; let the command write it", path=str(path)
        ) from None
    except (PermissionError, IsADirectoryError) as error:
        raise Denied(
            "unreadable", f"the metrics file {path} cannot be read ({error.strerror}); name a readable file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise Invalid(
            "bad-metrics", f"the metrics file {path} is not JSON ({error}); write names and numbers"
        ) from error
    if not isinstance(content, dict):
        raise Invalid(
            "bad-metrics", f"the metrics file {path} holds no mapping; write names and numbers", path=str(path)
        )
    metrics = tuple(_numbers("", content))
    if len(metrics) > MOST_METRICS:
        raise Invalid(
            "bad-metrics", f"the metrics file {path} holds more than {MOST_METRICS} numbers; keep them in an output"
        )
    return metrics


def _numbers(name: str, value: Any) -> Iterator[Metric]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, int | float):
        try:
            yield Metric(name, float(value))
        except OverflowError:  # an integer beyond the floats
            yield Metric(name, float("inf") if value > 0 else float("-inf"))
