"""The options of `datamon run record`."""

from typing import Final

from datamon.cli.words import Option

COMMAND: Final = ("run", "record")
OPTIONS: Final = (
    Option("pipeline", "--pipeline", "text", "The pipeline it belongs to.", "P", "default"),
    Option("step", "--step", "text", "The step's name. [the stem of the script in CMD]", "S"),
    Option(
        "inputs",
        "--input",
        "texts",
        "A bundle, or a part of one, to put into DIR. May be repeated.",
        "REPO[@REF][:PATH]=DIR",
    ),
    Option(
        "outputs", "--output", "texts", "What CMD leaves in DIR is a new bundle. May be repeated.", "REPO[@BRANCH]=DIR"
    ),
    Option("labels", "--label", "texts", "A label to set on every output. May be repeated.", "L"),
    Option("params", "--param", "texts", "A parameter to record. May be repeated.", "K=V"),
    Option("params_files", "--params-file", "paths", "Parameters of a YAML, TOML or JSON file. May be repeated.", "F"),
    Option("metrics_files", "--metrics-file", "paths", "A JSON file of numbers that CMD writes. May be repeated.", "F"),
    Option(
        "code", "--code", "paths", "What counts as the code, in place of the script in CMD. May be repeated.", "PATH"
    ),
    Option(
        "sql",
        "--sql",
        "text",
        "In place of CMD, run the SQL of this file over the tables of the inputs, into Parquet files of the output.",
        "FILE",
    ),
    Option(
        "mount",
        "--mount",
        "flag",
        "Show the inputs by mounts in place of copies; what CMD reads of them is fetched, and recorded file by file.",
    ),
    Option("keep", "--keep", "flag", "Leave what datamon's last output put into the output DIRs."),
    Option(
        "reuse", "--reuse", "flag", "Take the outputs of a run that did the same, if there is one, and do not run CMD."
    ),
    Option(
        "counts",
        "--env-policy",
        "texts",
        "A part of the environment that counts: python, platform, image, gpu, packages, package:NAME, file:PATH, "
        "variable:NAME. May be repeated.",
        "PART",
    ),
    Option(
        "variables",
        "--variable",
        "texts",
        "An environment variable to record, or a pattern such as 'OMP_*'. May be repeated.",
        "NAME",
    ),
    Option("parent", "--parent", "text", "The run that this one is part of. [the run it is inside]", "RUN"),
    Option(
        "level",
        "--level",
        "text",
        "What it is within its pipeline's run.",
        choices=("run", "stage", "pod", "container"),
    ),
    Option("retry_of", "--retry-of", "text", "The run that this one repeats.", "RUN"),
    Option(
        "trace",
        "--trace",
        "text",
        "Watch which files CMD uses: auto (the best that works here), seccomp, strace, preload, audit or off.",
        "METHOD",
        "off",
        ("auto", "seccomp", "strace", "preload", "audit", "off"),
    ),
)
"""In the order in which help shows them."""
