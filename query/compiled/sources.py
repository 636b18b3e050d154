"""From a source in a statement to its SELECT over the tables."""

from dataclasses import replace

from datamon.lineage.facts import Subject
from datamon.query.asking import Asking, World
from datamon.query.compile import compile_predicate
from datamon.query.compiled.closure import Predicates, closure_sql
from datamon.query.compiled.literals import predicate_sql
from datamon.query.compiled.now import NowKnown
from datamon.query.compiled.produced import produced_sql
from datamon.query.compiled.stale import Judged, stale_sql
from datamon.query.facts import AtHand, look_now
from datamon.query.language.column_names import is_by_column
from datamon.query.language.statement import (
    Affected,
    Closure,
    Options,
    Placed,
    Produced,
    Stale,
    options,
    references,
)
from datamon.query.language.tokens import Token
from datamon.query.relations import RELATIONS
from datamon.query.safety import check
from datamon.query.sources.closures import change_of, walk_of
from datamon.query.sources.files import is_by_file
from datamon.query.sources.judged import asked_of
from datamon.query.sources.produced import contents_with_part
from datamon.query.sources.starts import starts_of


def source_sql(asking: Asking, world: World, placed: Placed) -> str | None:
    """The one SELECT (DuckDB's dialect) that gives the rows of a source from the tables alone, references resolved, facts of now
    and values written out. None for what is answered where it is asked: PATHS, PLAN and the comparisons, whatever follows
    files or columns or guesses from shared contents, and a past moment. Raises errors that point at their place.
    """
    source = placed.source
    said = options(source)
    if said.as_of is not None or said.at in ("file", "column") or "inferred" in said.including:
        return None
    if any(is_by_column(ref, said) for ref in references(source) if isinstance(source, Closure | Affected)):
        return None
    if isinstance(source, Closure | Affected) and is_by_file(source):
        return None
    match source:
        case Closure():
            return _closure(asking, world, placed.name, source)
        case Affected():
            return _affected(asking, world, placed.name, source)
        case Produced():
            target = asking.target(source.ref)
            of_part = contents_with_part(world.store, world.connection, target) if target.path else (target.content,)
            return produced_sql(target, set(of_part))
        case Stale():
            return _stale(asking, world, source)
        case _:
            return None


def _closure(asking: Asking, world: World, name: str, source: Closure) -> str:
    starts = starts_of(asking, world, source.ref)
    walk = walk_of(asking, world, name, source, starts)
    return closure_sql(walk, _predicates(asking, world, name, source.options))


def _affected(asking: Asking, world: World, name: str, source: Affected) -> str:
    starts, cause = change_of(asking, world, source.change)
    walk = walk_of(asking, world, name, Closure("downstream", source.change, source.options), starts)
    walk = replace(walk, kept=replace(walk.kept, pinned=False))
    return closure_sql(walk, _predicates(asking, world, name, source.options), cause)


def _predicates(asking: Asking, world: World, name: str, said: Options) -> Predicates:
    """STOP AT and VIA, looked at as every text of a statement is before an engine sees it."""

    def checked(kind: str, tokens: tuple[Token, ...]) -> str:
        if tokens:
            relation = f"{name}_{kind}"
            check(world.connection, compile_predicate(asking.text, tokens, relation), {*RELATIONS, relation})
        return predicate_sql(tokens, asking.params)

    return Predicates(name, checked("stops", said.stop_at), checked("via", said.via))


def _stale(asking: Asking, world: World, source: Stale) -> str:
    wanted = asked_of(asking, world, source)
    subjects = None
    if wanted.targets is not None:
        chosen = [each for each in wanted.targets if wanted.repo in (None, each.repo)]
        subjects = [Subject(each.id, each.held_by) for each in chosen]
    using = source.options.using
    at_hand = look_now(
        world.store, world.connection, world.place, asked=[each.id for each in wanted.targets or ()], using=using
    )
    judged = Judged(subjects, wanted.repo, wanted.because, wanted.frozen, wanted.within, using)
    return stale_sql(judged, now_known(at_hand))


def now_known(at_hand: AtHand) -> NowKnown:
    """The facts of now as rows, in an order of their own."""
    contents = {**at_hand.contents, **at_hand.read.contents}
    read = at_hand.read
    return NowKnown(
        contents=sorted((bundle, path, content) for (bundle, path), content in contents.items()),
        code=[(run, at_hand.now.code[run]) for run in sorted(at_hand.now.code)],
        params=[(*key, value) for key, value in sorted(at_hand.now.params.items(), key=lambda each: each[0])],
        environment=[(*key, value) for key, value in sorted(at_hand.now.environment.items(), key=lambda each: each[0])],
        missing=at_hand.missing,
        observed=sorted(read.parts),
        read_parts=[(*key, part.path, part.content) for key, parts in sorted(read.parts.items()) for part in parts],
        sought=[(*key, path) for key, paths in sorted(read.absent.items()) for path in paths],
    )
