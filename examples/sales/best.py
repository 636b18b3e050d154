"""Step 4: the customers who spent most. best.py TOTALS BEST"""

import sys
from decimal import Decimal

from tables import read, write

MOST = 2

totals, best = sys.argv[1:3]
rows = sorted(read(totals, "totals.csv"), key=lambda row: -Decimal(row["spent"]))
write(best, "best.csv", [{"customer": row["customer"]} for row in rows[:MOST]])
