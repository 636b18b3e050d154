"""Fits a logistic regression that tells which side a member took: model.json.

Usage: python train.py FEATURES_DIR MODEL_DIR [--rounds 400] [--rate 0.05]
"""

import argparse
import csv
import json
import math
from pathlib import Path

INPUTS = ["meetings", "partners", "with_instructor", "with_president"]


def train(features: Path, model: Path, rounds: int = 400, rate: float = 0.05) -> None:
    """Plain gradient descent from zero, so that the same features give the same model to the last bit."""
    with (features / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    scales = {name: max(row[name] for row in rows) or 1.0 for name in INPUTS}
    weights = dict.fromkeys(["bias", *INPUTS], 0.0)
    for _ in range(rounds):
        slopes = dict.fromkeys(weights, 0.0)
        for row in rows:
            values = {"bias": 1.0, **{name: row[name] / scales[name] for name in INPUTS}}
            score = sum(weights[name] * value for name, value in values.items())
            error = 1 / (1 + math.exp(-score)) - row["side"]
            for name, value in values.items():
                slopes[name] += error * value
        for name, slope in slopes.items():
            weights[name] -= rate * slope
    text = json.dumps({"weights": weights, "scales": scales}, indent=1, sort_keys=True)
    (model / "model.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="fit the model")
    parser.add_argument("features", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--rate", type=float, default=0.05)
    arguments = parser.parse_args()
    train(arguments.features, arguments.model, arguments.rounds, arguments.rate)


if __name__ == "__main__":
    main()
