"""The same five steps as decorated functions: `python steps.py` records them all for the first time."""

from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

from prices import gross
from tables import read, write

import datamon

MOST = 2


@datamon.step(inputs={"raw": "orders"}, outputs={"kept": "clean"}, pipeline="sales")
def clean(raw: str, kept: str, dropped: str = "cancelled") -> None:
    """Orders without those that were cancelled."""
    rows = [row for row in read(raw, "orders.csv") if row["status"] != dropped]
    write(kept, "orders.csv", [dict(row) for row in rows])


@datamon.step(inputs={"orders": "clean"}, outputs={"spent": "totals"}, pipeline="sales")
def totals(orders: str, spent: str) -> None:
    """What each customer spent, with tax."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in read(orders, "orders.csv"):
        sums[row["customer"]] += gross(row["net"])
    write(spent, "totals.csv", [{"customer": name, "spent": sums[name]} for name in sorted(sums)])


@datamon.step(inputs={"orders": "clean"}, outputs={"counted": "days"}, pipeline="sales")
def days(orders: str, counted: str) -> None:
    """How many orders came on each day."""
    counts = Counter(row["day"] for row in read(orders, "orders.csv"))
    write(counted, "days.csv", [{"day": day, "orders": counts[day]} for day in sorted(counts)])


@datamon.step(inputs={"spent": "totals"}, outputs={"chosen": "best"}, pipeline="sales")
def best(spent: str, chosen: str) -> None:
    """The customers who spent most."""
    rows = sorted(read(spent, "totals.csv"), key=lambda row: -Decimal(row["spent"]))
    write(chosen, "best.csv", [{"customer": row["customer"]} for row in rows[:MOST]])


@datamon.step(inputs={"chosen": "best", "counted": "days"}, outputs={"page": "report"}, pipeline="sales")
def report(chosen: str, counted: str, page: str, title: str) -> None:
    """The page that people read."""
    names = ", ".join(row["customer"] for row in read(chosen, "best.csv"))
    busy = max(read(counted, "days.csv"), key=lambda row: int(row["orders"]))
    text = f"{title}\nBest customers: {names}\nBusiest day: {busy['day']}\n"
    (Path(page) / "report.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    clean()
    totals()
    days()
    best()
    report(title="Sales")
