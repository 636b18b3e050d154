"""Makes features of the club's members from who met whom: train.csv and test.csv.

Usage: python prepare.py RAW_DIR FEATURES_DIR [--test-share 0.3]
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

INSTRUCTOR, PRESIDENT = 1, 34
COLUMNS = ["member", "side", "meetings", "partners", "with_instructor", "with_president"]


def prepare(raw: Path, features: Path, test_share: float = 0.3) -> None:
    """Writes one row a member: how much and with whom they met, and the side they took (1: the instructor's)."""
    meetings: dict[int, dict[int, int]] = defaultdict(dict)
    for tie in _rows(raw / "ties.csv"):
        a, b, count = int(tie["a"]), int(tie["b"]), int(tie["meetings"])
        meetings[a][b] = meetings[b][a] = count
    table = []
    for member in _rows(raw / "members.csv"):
        name = int(member["member"])
        met = meetings[name]
        table.append(
            {
                "member": name,
                "side": int(member["side"] == "Mr. Hi"),
                "meetings": sum(met.values()),
                "partners": len(met),
                "with_instructor": _shared(meetings, name, INSTRUCTOR),
                "with_president": _shared(meetings, name, PRESIDENT),
            }
        )
    every = max(2, round(1 / test_share))
    _write(features / "train.csv", [row for row in table if row["member"] % every])
    _write(features / "test.csv", [row for row in table if not row["member"] % every])


def _shared(meetings: dict[int, dict[int, int]], member: int, leader: int) -> int:
    """Meetings with a leader, directly or through somebody both met."""
    direct = meetings[member].get(leader, 0)
    through = sum(min(count, meetings[partner].get(leader, 0)) for partner, count in meetings[member].items())
    return direct + through


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: list[dict[str, int]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="make features from the club's ties")
    parser.add_argument("raw", type=Path)
    parser.add_argument("features", type=Path)
    parser.add_argument("--test-share", type=float, default=0.3)
    arguments = parser.parse_args()
    prepare(arguments.raw, arguments.features, arguments.test_share)


if __name__ == "__main__":
    main()
