"""From STALE and its questions in a statement to their rows."""

from datamon.errors import DatamonError
from datamon.query.asking import Asking, Rows, World
from datamon.query.facts import gather_facts
from datamon.query.language.faults import fault, hint, pointing
from datamon.query.language.references import Target
from datamon.query.language.statement import CAUSES, Stale
from datamon.query.sources import stale
from datamon.query.values import runs_of, text_of
from datamon.store.repos import find_repo


def rows_of_stale(asking: Asking, world: World, source: Stale) -> Rows:
    """A row for each stale output and cause. Raises errors that point at their place."""
    wanted = asked_of(asking, world, source)
    asked = [target.id for target in wanted.targets or ()]
    facts = gather_facts(
        world.store, world.connection, world.place, asked=asked, using=source.options.using, judging=True
    )
    rows = stale.stale_rows(facts, wanted)
    if source.of is not None and not rows:
        asking.note("it is not stale" + (f" because of {wanted.because}" if wanted.because else ""))
    return Rows(stale.COLUMNS, rows)


def asked_of(asking: Asking, world: World, source: Stale) -> stale.Asked:
    """What a STALE asks for, with its values. Raises errors that point at their place."""
    options = source.options
    return stale.Asked(
        repo=_repo(asking, world, source),
        because=_cause(asking, source),
        targets=_judged(asking, world, source),
        frozen="frozen" in options.including,
        within=runs_of(asking.text, options.within, asking.params) if options.within else None,
    )


def _repo(asking: Asking, world: World, source: Stale) -> str | None:
    if source.repo is None:
        return None
    try:
        return find_repo(world.store, text_of(asking.text, source.repo, asking.params)).name
    except DatamonError as error:
        if "line" in error.facts:
            raise
        raise pointing(error, asking.text, source.repo.span) from error


def _cause(asking: Asking, source: Stale) -> str | None:
    if source.because is None:
        return None
    cause = text_of(asking.text, source.because, asking.params)
    if cause not in CAUSES:
        said = f"expected a cause: {', '.join(CAUSES)}{hint(cause, CAUSES)}"
        raise fault(asking.text, source.because.span, said)
    return cause


def _judged(asking: Asking, world: World, source: Stale) -> tuple[Target, ...] | None:
    if source.of is None:
        return None
    target = asking.target(source.of)
    if target.kind == "bundle":
        return (target,)
    try:
        return tuple(stale.written_by(world.connection, target.id))
    except DatamonError as error:
        raise pointing(error, asking.text, source.of.span) from error
