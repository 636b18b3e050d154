"""The process of a SQL step: `python -m datamon.cli.sql_program FILE --input ROLE=DIR … --output DIR`, started by
`datamon run record --sql` and by what does such a run again."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from datamon.errors import DatamonError
from datamon.lineage.param_values import parse_param
from datamon.lineage.params import read_params_file
from datamon.lineage.sql_told import VARIABLE, Told, tell
from datamon.query.sql_step import SqlStep, run_sql


def main(words: Sequence[str]) -> int:
    """The exit code: 0 when the output directory holds the tables."""
    parser = argparse.ArgumentParser(prog="datamon.cli.sql_program")
    parser.add_argument("file", type=Path)
    parser.add_argument("--input", action="append", default=[])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--params-file", action="append", default=[], type=Path)
    parser.add_argument("--param", action="append", default=[])
    given = parser.parse_args(words)
    params: dict[str, object] = {}
    try:
        for file in given.params_file:
            params.update(read_params_file(file))
        params.update((param.name, param.value) for param in map(parse_param, given.param))
        inputs = {role: Path(place) for role, _, place in (each.partition("=") for each in given.input)}
        given.output.mkdir(parents=True, exist_ok=True)
        text = given.file.read_text("utf-8")
        ran = run_sql(SqlStep(text, inputs, given.output, params))
        if VARIABLE in os.environ:
            tell(Path(os.environ[VARIABLE]), Told(text, ran.read, ran.made))
    except DatamonError as error:
        sys.stderr.write(f"{given.file}: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
