"""PLAN FOR and HOW TO REBUILD: the steps to run again, in order."""

from datamon.errors import DatamonError
from datamon.lineage.facts import Subject
from datamon.lineage.plan import PlannedStep, because, plan_of
from datamon.query.asking import Asking, Row, Rows, World
from datamon.query.facts import gather_facts
from datamon.query.language.faults import pointing
from datamon.query.language.statement import Planned
from datamon.query.sources.stale import written_by

COLUMNS = (
    ("position", "BIGINT"),
    ("pipeline", "VARCHAR"),
    ("step", "VARCHAR"),
    ("run", "VARCHAR"),
    ("command", "VARCHAR"),
    ("because", "VARCHAR"),
    ("after", "BIGINT[]"),
)


def rows_of_plan(asking: Asking, world: World, source: Planned) -> Rows:
    """The steps that `datamon rebuild` would run. Raises errors that point at their place."""
    target = asking.target(source.ref)
    try:
        targets = [target] if target.kind == "bundle" else written_by(world.connection, target.id)
    except DatamonError as error:
        raise pointing(error, asking.text, source.ref.span) from error
    subjects = [Subject(each.id, each.held_by) for each in targets]
    asked = [each.bundle for each in subjects]
    facts = gather_facts(world.store, world.connection, world.place, asked=asked, using=source.options.using)
    plan = plan_of(facts, subjects, frozen="frozen" in source.options.including)
    if not plan.steps:
        asking.note("nothing has to be run again")
    for left in plan.left:
        asking.note(f"{left.subject.ref or left.subject.bundle} stays stale: {left.reason}")
    rows = world.connection.execute(
        "SELECT id, command FROM runs WHERE id IN (SELECT unnest(?::VARCHAR[]))", [[step.run.id for step in plan.steps]]
    ).fetchall()
    commands = dict(rows)
    return Rows(COLUMNS, [_row(step, commands.get(step.run.id)) for step in plan.steps])


def _row(step: PlannedStep, command: str | None) -> Row:
    return (
        step.position,
        step.run.pipeline,
        step.run.step,
        step.run.id,
        command or None,
        because(step),
        list(step.after),
    )
