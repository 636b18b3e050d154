#!/usr/bin/env bash
# The pipeline by commands: fetch, prepare, train, evaluate; then what the report comes from. Run it in a folder that holds these scripts.
set -euo pipefail

python fetch.py raw
for repo in raw features model report; do
  datamon repo get --repo "$repo" >/dev/null 2>&1 || datamon repo create --repo "$repo"
done
datamon bundle upload --repo raw --path raw --message "as networkx ships it"
datamon run record --pipeline karate --input raw=work/raw --output features=work/features \
  -- python prepare.py work/raw work/features
datamon run record --pipeline karate --param rounds=400 --input features=work/features --output model=work/model \
  -- python train.py work/features work/model --rounds 400
datamon run record --pipeline karate --input features=work/features --input model=work/model --output report=work/report \
  --metrics-file work/report/metrics.json -- python evaluate.py work/features work/model work/report
datamon query "UPSTREAM OF 'report'"
