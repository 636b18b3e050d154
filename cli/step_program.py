"""How the processes that do recorded runs again are started: with the settings of this command."""

import typer

from datamon.cli.environment import process_environment, working_directory
from datamon.cli.globals import Globals
from datamon.lineage.children import Program, python_program


def step_program(ctx: typer.Context) -> Program:
    """The program of a step, whose variables say what this command's own options say."""
    flags: Globals = ctx.obj
    said = {
        "DATAMON_CONFIG": str(flags.config.absolute()) if flags.config else None,
        "DATAMON_CONTEXT": flags.context,
        "DATAMON_DEGRADED": "1" if flags.degraded else None,
    }
    variables = process_environment() | {name: value for name, value in said.items() if value is not None}
    return Program(python_program("datamon.cli.again"), variables, working_directory())
