"""Reads and writes the small tables that the steps pass on."""

import csv
from pathlib import Path


def read(directory: str, name: str) -> list[dict[str, str]]:
    """The rows of a table."""
    with (Path(directory) / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(directory: str, name: str, rows: list[dict[str, object]]) -> None:
    """The table stands in the directory."""
    with (Path(directory) / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["empty"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
