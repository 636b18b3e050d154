"""Writes docs/run-records.schema.json from the nouns that runs are recorded by."""

import json
from pathlib import Path

from datamon.lineage.bulk.schema import run_schema

PLACE = Path(__file__).with_name("run-records.schema.json")

if __name__ == "__main__":
    PLACE.write_text(json.dumps(run_schema(), indent=2, sort_keys=True) + "\n")
