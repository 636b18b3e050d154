"""Step 3: how many orders came on each day. days.py CLEAN DAYS"""

import sys
from collections import Counter

from tables import read, write

clean, days = sys.argv[1:3]
counts = Counter(row["day"] for row in read(clean, "orders.csv"))
write(days, "days.csv", [{"day": day, "orders": counts[day]} for day in sorted(counts)])
