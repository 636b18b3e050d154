"""Step 1: orders without those that were cancelled. clean.py RAW CLEAN"""

import sys

from tables import read, write

raw, clean = sys.argv[1:3]
rows = [row for row in read(raw, "orders.csv") if row["status"] != "cancelled"]
write(clean, "orders.csv", [dict(row) for row in rows])
