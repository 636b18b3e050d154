"""Writes Zachary's karate club (1977), as networkx ships it, as two tables: members.csv and ties.csv.

Usage: python fetch.py RAW_DIR [--without A,B]    (leaves out the tie between members A and B)

The tie of members 23 and 34 stands in only one half of the matrix that Zachary printed;
some copies of the data keep it, some do not.
"""

import argparse
import csv
from pathlib import Path

import networkx as nx


def fetch(raw: Path, without: tuple[int, int] | None = None) -> None:
    """Fills `raw`; members are counted from 1, as in the paper."""
    raw.mkdir(parents=True, exist_ok=True)
    club = nx.karate_club_graph()
    with (raw / "members.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["member", "side"])
        table.writerows((node + 1, club.nodes[node]["club"]) for node in club)
    with (raw / "ties.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["a", "b", "meetings"])
        for a, b, tie in club.edges(data=True):
            if without != (a + 1, b + 1):
                table.writerow([a + 1, b + 1, tie["weight"]])


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="write the karate club as CSV")
    parser.add_argument("raw", type=Path)
    parser.add_argument("--without", metavar="A,B")
    arguments = parser.parse_args()
    without = None
    if arguments.without:
        a, b = (int(part) for part in arguments.without.split(","))
        without = (a, b)
    fetch(arguments.raw, without)


if __name__ == "__main__":
    main()
