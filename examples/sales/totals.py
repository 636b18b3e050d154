"""Step 2: what each customer spent, with tax. totals.py CLEAN TOTALS"""

import sys
from collections import defaultdict
from decimal import Decimal

from prices import gross
from tables import read, write

clean, totals = sys.argv[1:3]
spent: defaultdict[str, Decimal] = defaultdict(Decimal)
for row in read(clean, "orders.csv"):
    spent[row["customer"]] += gross(row["net"])
write(totals, "totals.csv", [{"customer": name, "spent": spent[name]} for name in sorted(spent)])
