"""`datamon rebuild`: what is stale is made fresh, by running again what has to be, in order."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from datamon.cli.asking import index_here
from datamon.cli.environment import process_environment, working_directory
from datamon.cli.opening import open_configured, policy_of, settings_of
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, note, say, show
from datamon.cli.rebuild_tree import following, outcome_line
from datamon.cli.step_program import step_program
from datamon.errors import Invalid
from datamon.lineage.capture.host import capture_host
from datamon.lineage.facts import Facts, Subject
from datamon.lineage.plan import because
from datamon.lineage.rebuilding import Known, Prospect, RebuildRequest, Rebuilt, prospects, rebuild
from datamon.lineage.records import RunOpened
from datamon.query.facts import gather_facts, opened_runs
from datamon.query.index.opening import Index
from datamon.query.place import Place
from datamon.store.opening import Store
from datamon.store.resolve import Resolved, resolve

app = typer.Typer(add_completion=False, rich_markup_mode=None)
PLAN_COLUMNS = ("position", "pipeline", "step", "run", "command", "because", "after", "obstacle")


@app.command("rebuild")
def rebuild_(
    ctx: typer.Context,
    reference: Annotated[
        str | None,
        typer.Argument(metavar="REF", help="What to make fresh: REPO, REPO@BRANCH, REPO@LABEL.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Make fresh whatever a branch or label holds.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Run up to N steps at once.")] = 1,
    form: FormatOption = None,
) -> int:
    """Run again the steps that made REF, as far as they are stale, in order, each as it was recorded.

    Inputs are what their refs give now; params of files and defaults are read anew. A step that comes out with the same content
    leaves what lies below it fresh, and that is not run. A step that fails stops those that read from it. The exit code is 1
    when a step failed or could not be run here.

    \b
    Examples:
      datamon rebuild model@prod --dry-run
      datamon rebuild --all --jobs 2
    """
    if (reference is None) != everything:
        raise Invalid("usage", "name what to rebuild, or give --all; see `datamon rebuild --help`")
    store = open_configured(ctx)
    request = _request(ctx, store, resolve(store, reference) if reference else None, jobs)
    if dry_run:
        return _show_plan(store, request, form)
    with following() as listener:
        rebuilt = rebuild(store, request, listener)
    return _tell(rebuilt)


def _request(ctx: typer.Context, store: Store, wanted: Resolved | None, jobs: int) -> RebuildRequest:
    cwd, host = working_directory(), capture_host().name
    ref = f" {wanted.repo.name}{f'@{wanted.ref}' if wanted.ref else ''}" if wanted else " --all"
    return RebuildRequest(
        known=_Known(store, index_here(store), Place(cwd, host, variables=process_environment()), wanted).known,
        program=step_program(ctx),
        argv=("datamon", *f"rebuild{ref}".split()),
        host=host,
        jobs=jobs,
        policy=policy_of(settings_of(ctx)),
    )


class _Known:
    """Where a rebuild's facts come from: this machine's index, and the working tree."""

    def __init__(self, store: Store, index: Index, place: Place, wanted: Resolved | None) -> None:
        self.store = store
        self.index = index
        self.place = place
        self.wanted = wanted
        self.known = Known(self._look, self._records, self._subjects)

    def _look(self) -> Facts:
        asked = [self.wanted.bundle.id] if self.wanted and self.wanted.ref is None else []
        with self.index.connect() as connection:
            return gather_facts(self.store, connection, self.place, asked=asked)

    def _records(self, runs: Collection[str]) -> dict[str, RunOpened]:
        with self.index.connect() as connection:
            return {run.id: run for run in opened_runs(connection, runs)}

    def _subjects(self, facts: Facts) -> Sequence[Subject] | None:
        if self.wanted is None:
            return None
        repo, name = self.wanted.repo.name, self.wanted.ref
        held = [Subject(ref.bundle, ref.reference) for ref in facts.refs if (ref.repo, ref.name) == (repo, name)]
        return held if name is not None and not self.wanted.pinned else [Subject(self.wanted.bundle.id, None)]


def _show_plan(store: Store, request: RebuildRequest, form: FormatOption) -> int:
    steps, left = prospects(store, request)
    if steps or form is not None:
        show(replace(Listing(PLAN_COLUMNS, [_row(each) for each in steps])), form)
    else:
        note("nothing has to be run")
    for each in left:
        note(f"{each.subject.ref or each.subject.bundle} stays stale: {each.reason}")
    return 0


def _row(prospect: Prospect) -> tuple[object, ...]:
    step = prospect.step
    return (
        step.position,
        step.run.pipeline,
        step.run.step,
        step.run.id,
        prospect.meant.text if prospect.meant else None,
        because(step),
        list(step.after),
        prospect.obstacle,
    )


def _tell(rebuilt: Rebuilt) -> int:
    for report in rebuilt.reports:
        for sentence in report.notes:
            note(f"{report.name}: {sentence}")
        if report.state == "failed":
            for line in report.printed.splitlines()[-20:]:
                note(f"{report.name} | {line}")
    for each in rebuilt.left:
        note(f"{each.subject.ref or each.subject.bundle} stays stale: {each.reason}")
    say(outcome_line(rebuilt))
    if rebuilt.stopped_by is not None:
        return 128 + rebuilt.stopped_by
    return 0 if rebuilt.succeeded else 1
