"""The magics `%datamon`, `%%datamon` and `%%datamon_run`: the only module that knows IPython."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.magic import Magics, cell_magic, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from IPython.display import display

from datamon.cli.notebook.cell_line import read_cell_line
from datamon.cli.notebook.statements import drawn_beside, offers, statement_of, values_for
from datamon.cli.output import note
from datamon.cli.query_session import Session
from datamon.cli.session import open_session
from datamon.cli.showing import Showing
from datamon.errors import DatamonError, Invalid
from datamon.lineage.inside import Recorder
from datamon.lineage.recorded_cell import recorded_cell
from datamon.lineage.records import Run
from datamon.query.answer import Answer


def register(shell: Any) -> None:
    """The shell has the magics, and completes in them. Loading it again changes nothing."""
    shell.register_magics(DatamonMagics)
    matchers = shell.Completer.custom_matchers
    if not any(getattr(each, "matcher_identifier", "") == _IDENTIFIER for each in matchers):
        matchers.append(_matcher)


@magics_class
class DatamonMagics(Magics):
    """Questions about the store, and cells as runs."""

    shell: Any

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def datamon(self, line: str, cell: str | None = None, local_ns: Mapping[str, object] | None = None) -> Answer:
        """`%datamon query STATEMENT`, or the statement as a cell below `%%datamon query`: its answer, which shows itself as a
        table, a GRAPH as a drawing. A question about lineage is drawn beside its table. `$name` is the notebook's variable."""
        with _briefly():
            statement = statement_of(f"{line}\n{cell}" if cell is not None else line)
            values = values_for(statement, {**self.shell.user_ns, **(local_ns or {})})
            session = _session()
            answer = session.ask(statement, values)
            beside = drawn_beside(session, statement, values) if answer.graph is None else None
            if beside is not None:
                _display(beside.graph)
            return answer

    @cell_magic
    def datamon_run(self, line: str, cell: str) -> None:
        """Runs the cell and records it as a run: `%%datamon_run --step S --input repo[@ref][:path]=DIR --output
        repo[@branch]=DIR --param k=v --label L`. A cell that raises is a failed run, and raises."""
        with _briefly():
            request = read_cell_line(line, cell, Path.cwd(), _earlier(self.shell, cell))
            if self.shell.should_run_async(cell, transformed_cell=self.shell.transform_cell(cell)):
                said = "a cell with await outside functions cannot be recorded; put it into a function and run that"
                raise Invalid("bad-argument", said)
            opened = open_session()
            recorder = Recorder(opened.store, opened.policy)
            cell_ends = _Ends()
            with recorded_cell(recorder, request) as recording, cell_ends:
                _execute(self.shell, cell)
            for sentence in recording.notes:
                note(sentence)
            _display(Run(recording.opened, recording.closed))


def _display(shown: object) -> None:
    show: Any = display  # IPython gives it no types
    show(shown)


class _Ends:
    """Marks the exceptions that are the cell's own, whose traceback a person wants to see."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.__dict__["_datamon_cell"] = True


@contextmanager
def _briefly() -> Iterator[None]:
    """An error of datamon's that leaves the block is shown as its message, without the way through datamon's code."""
    try:
        yield
    except DatamonError as error:
        if "_datamon_cell" not in error.__dict__:
            told = f"{type(error).__name__}: {error.message}"
            error.__dict__["_render_traceback_"] = lambda: [told]
        raise


def _session() -> Session:
    return Session(open_session().store, {}, Showing())


def _earlier(shell: Any, cell: str) -> list[str]:
    """The texts of the cells that were run before the one that is running."""
    texts = [str(each) for each in shell.history_manager.input_hist_raw[1:]]
    return texts[:-1] if texts and texts[-1].strip().endswith(cell.strip()) else texts


def _execute(shell: Any, cell: str) -> None:
    """Runs the cell's statements in the notebook's names; the value of a last expression is shown, as of any cell."""
    code = shell.transform_cell(cell)
    name = shell.compile.cache(code, shell.execution_count, raw_code=cell)
    tree = shell.transform_ast(shell.compile.ast_parse(code, filename=name))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) and not _is_quiet(code) else None
    exec(shell.compile(tree, name, "exec"), shell.user_global_ns, shell.user_ns)  # noqa: S102 (it is the person's cell)
    if last is not None:
        exec(shell.compile(ast.Interactive([last]), name, "single"), shell.user_global_ns, shell.user_ns)  # noqa: S102


def _is_quiet(code: str) -> bool:
    return code.rstrip().endswith(";")


_IDENTIFIER = "datamon"


@context_matcher(identifier=_IDENTIFIER)  # type: ignore[untyped-decorator]
def _matcher(context: Any) -> dict[str, Any]:
    """What IPython completes inside datamon's magics."""
    lines = context.full_text.split("\n")[: context.cursor_line + 1]
    before = "\n".join([*lines[:-1], lines[-1][: context.cursor_position]])
    try:
        found = offers(_session(), before) if "%datamon" in before else None
    except DatamonError:
        found = None
    if found is None:
        return {"completions": []}
    completions = [SimpleCompletion(text, type=what) for text, what in found.texts]
    return {"completions": completions, "matched_fragment": found.replaced, "suppress": True, "ordered": True}
