"""A source spelled in one way, whatever was typed: keywords in capitals, options in one order, nothing left out."""

from collections.abc import Iterator, Sequence

from datamon.query.language.statement import (
    ASPECTS,
    Affected,
    Closure,
    Contains,
    Diff,
    Differ,
    NotReused,
    Options,
    Paths,
    Planned,
    Produced,
    Ref,
    Source,
    Stale,
    Value,
    options,
)
from datamon.query.language.tokens import Token


def spelled(source: Source) -> str:
    """The source as a statement of its own, which parses to an equal source at other places."""
    return " ".join((_head(source), *_options(options(source))))


def _head(source: Source) -> str:
    match source:
        case Closure(direction, ref):
            return f"{direction.upper()} OF {_ref(ref)}"
        case Affected(change):
            return f"AFFECTED BY {_ref(change)}"
        case Paths(start, end):
            return f"PATHS FROM {_ref(start)} TO {_ref(end)}"
        case Planned(ref):
            return f"PLAN FOR {_ref(ref)}"
        case Diff(old, new, on):
            aspects = "all" if len(on) == len(ASPECTS) else ", ".join(each for each in ASPECTS if each in on)
            return f"DIFF {_ref(old)}, {_ref(new)} ON {aspects}"
        case Differ(ref, other):
            return f"WHY DOES {_ref(ref)} DIFFER FROM {_ref(other)}"
        case NotReused(ref):
            return f"WHY WAS {_ref(ref)} NOT REUSED"
        case Contains(ref):
            return f"WHAT CONTAINS {_ref(ref)}"
        case Produced(ref):
            return f"WHAT PRODUCED {_ref(ref)}"
        case Stale():
            return " ".join(_stale(source))


def _stale(source: Stale) -> Iterator[str]:
    yield "WHAT IS STALE"
    if source.of is not None:
        yield f"OF {_ref(source.of)}"
    if source.repo is not None:
        yield f"IN {_text(source.repo)}"
    if source.because is not None:
        yield f"BECAUSE {source.because.literal or _text(source.because)}"


def _options(said: Options) -> Iterator[str]:
    if said.at != "any":
        yield f"AT {said.at}"
    if said.within is not None:
        yield f"WITHIN {said.within.literal or _text(said.within)}"
    if said.stop_at:
        yield f"STOP AT ({_predicate(said.stop_at)})"
    if said.via:
        yield f"VIA ({_predicate(said.via)})"
    if said.as_of is not None:
        yield f"AS OF {_text(said.as_of)}" + (" BY STARTED" if said.by_started else "")
    if said.using != "any":
        yield f"USING {said.using}"
    if said.including:
        yield f"INCLUDING {', '.join(sorted(said.including))}"


def _ref(ref: Ref) -> str:
    return _text(ref.value) if ref.form == "plain" else f"{ref.form} {_text(ref.value)}"


def _text(value: Value) -> str:
    return f"${value.param}" if value.literal is None else "'" + value.literal.replace("'", "''") + "'"


def _predicate(tokens: Sequence[Token]) -> str:
    return " ".join(token.sql for token in tokens)
