"""What `datamon run record --sql FILE` records: the command that runs the SQL file."""

from dataclasses import replace
from pathlib import Path

from datamon.errors import Invalid, NotFound
from datamon.lineage.children import python_program
from datamon.lineage.command import CommandRequest, default_step
from datamon.lineage.sql_told import PROGRAM


def of_sql(request: CommandRequest, sql: str | None) -> CommandRequest:
    """The request whose command runs the SQL file, which is its code; as it is without one. So that a rebuild and a replay can do
    it again, the command says all: the file, the inputs' directories by their repos, the output's, and the params. Raises Invalid
    (`usage`), NotFound (`path-not-found`)."""
    if sql is None:
        if not request.argv:
            raise Invalid("usage", "there is no command to run; write it after --, or name a SQL file with --sql")
        return request
    if request.argv:
        raise Invalid("usage", "--sql stands in place of a command; leave out one of them")
    if len(request.outputs) != 1:
        raise Invalid("usage", "--sql writes one output; name it with --output REPO=DIR")
    repos = [each.repo for each in request.inputs]
    if len(set(repos)) < len(repos):
        raise Invalid("usage", "--sql names tables by repo, so each repo can be one input only")
    if not (request.cwd / sql).is_file():
        raise NotFound("path-not-found", f"there is no SQL file {sql}; correct --sql", path=sql)
    argv = [*python_program(PROGRAM), sql]
    argv += [word for each in request.inputs for word in ("--input", f"{each.repo}={each.directory}")]
    argv += ["--output", str(request.outputs[0].directory)]
    argv += [word for each in request.params_files for word in ("--params-file", str(each))]
    argv += [word for each in request.params for word in ("--param", each)]
    step = request.step or default_step((sql,), Path(sql))
    return replace(request, argv=tuple(argv), step=step, code=request.code or (Path(sql),))
