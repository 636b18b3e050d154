"""Asks the model about members it has not seen: metrics.json and mistakes.csv.

Usage: python evaluate.py FEATURES_DIR MODEL_DIR REPORT_DIR
"""

import argparse
import csv
import json
import math
from pathlib import Path


def evaluate(features: Path, model: Path, report: Path) -> dict[str, float]:
    """Writes and gives back accuracy and log loss over the test rows."""
    fitted = json.loads((model / "model.json").read_text(encoding="utf-8"))
    weights, scales = fitted["weights"], fitted["scales"]
    right, loss, mistakes = 0, 0.0, []
    with (features / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        score = weights["bias"] + sum(weights[name] * float(row[name]) / scales[name] for name in scales)
        chance = 1 / (1 + math.exp(-score))
        side = int(row["side"])
        right += int((chance > 0.5) == bool(side))
        loss -= math.log(chance if side else 1 - chance)
        if (chance > 0.5) != bool(side):
            mistakes.append(row["member"])
    metrics = {"accuracy": right / len(rows), "log_loss": round(loss / len(rows), 6)}
    (report / "metrics.json").write_text(json.dumps(metrics, sort_keys=True) + "\n", encoding="utf-8")
    (report / "mistakes.csv").write_text("\n".join(["member", *mistakes]) + "\n", encoding="utf-8")
    return metrics


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="measure the model")
    parser.add_argument("features", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("report", type=Path)
    arguments = parser.parse_args()
    evaluate(arguments.features, arguments.model, arguments.report)


if __name__ == "__main__":
    main()
