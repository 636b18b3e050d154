#!/usr/bin/env bash
# The five steps, recorded for the first time. Afterwards `datamon rebuild report` runs what has to be run again.
set -euo pipefail
cd "$(dirname "$0")"
for repo in orders clean totals days best report; do datamon repo create --repo "$repo" --description "sales example"; done
mkdir -p work/raw && cp orders.csv work/raw/
datamon bundle upload --repo orders --path work/raw --message "the first orders"
step() { datamon run record --pipeline sales "$@"; }
step --input orders=work/orders --output clean=work/clean -- python clean.py work/orders work/clean
step --input clean=work/clean-totals --output totals=work/totals -- python totals.py work/clean-totals work/totals
step --input clean=work/clean-days --output days=work/days -- python days.py work/clean-days work/days
step --input totals=work/totals-best --output best=work/best -- python best.py work/totals-best work/best
step --input best=work/best-report --input days=work/days-report --output report=work/report \
    -- python report.py work/best-report work/days-report work/report
