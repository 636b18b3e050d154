"""Step 5: the page that people read. report.py BEST DAYS REPORT"""

import sys
from pathlib import Path

from tables import read

best, days, report = sys.argv[1:4]
names = ", ".join(row["customer"] for row in read(best, "best.csv"))
busy = max(read(days, "days.csv"), key=lambda row: int(row["orders"]))
(Path(report) / "report.txt").write_text(f"Best customers: {names}\nBusiest day: {busy['day']}\n", encoding="utf-8")
