"""From text to a statement: finds the sources and questions where a table or a query can stand, and leaves the rest as SQL."""

from dataclasses import dataclass, field, replace

from datamon.query.language import questions, sources
from datamon.query.language.faults import Span, fault, hint
from datamon.query.language.statement import (
    Affected,
    Closure,
    Cursor,
    Describe,
    Paths,
    Placed,
    Planned,
    Produced,
    Relations,
    Select,
    Source,
    Statement,
    stem,
)
from datamon.query.language.tokens import Token, tokenize
from datamon.query.language.typed import unexpected

_QUERY = ("SELECT", "FROM", "WITH")
_BEGINNINGS = (*_QUERY, *sources.WORDS, "WHAT", "WHY", "HOW", "GRAPH", "EXPLAIN", "DESCRIBE", "SHOW")
_EXPECTED = (
    "SELECT, FROM, WITH, a source (UPSTREAM OF, DOWNSTREAM OF, AFFECTED BY, PATHS FROM, PLAN FOR, STALE, DIFF), "
    "a question (WHAT, WHY, HOW), GRAPH, EXPLAIN, DESCRIBE or SHOW RELATIONS"
)
_REFUSED = frozenset(
    """ALTER ANALYZE ATTACH BEGIN CALL CHECKPOINT COMMENT COMMIT COPY CREATE DEALLOCATE DELETE DETACH DROP EXECUTE EXPORT
    FORCE GRANT IMPORT INSERT INSTALL KILL LOAD MERGE PRAGMA PREPARE RELEASE REPLACE RESET REVOKE ROLLBACK SAVEPOINT SET
    START TRUNCATE UPDATE USE VACUUM""".split()  # noqa: SIM905
)
_AFTER_QUESTION = ("WHERE", "ORDER", "LIMIT", "OFFSET", "GROUP", "UNION", "EXCEPT", "INTERSECT", "SELECT")
_SET_WORDS = ("UNION", "EXCEPT", "INTERSECT", "ALL", "DISTINCT", "NAME")
_WITH_EDGES = (Closure, Affected, Paths, Planned, Produced)
_CLAUSES = frozenset("WHERE GROUP HAVING WINDOW QUALIFY ORDER LIMIT OFFSET USING SAMPLE TABLESAMPLE".split())  # noqa: SIM905


@dataclass(slots=True)
class _Level:
    """What is known inside one pair of brackets: the clause, and whether a table stands here as a whole."""

    clause: str = ""
    table: bool = False


@dataclass(slots=True)
class _Reader:
    """Goes through the tokens once, left to right."""

    cursor: Cursor
    defined: frozenset[str]
    taken: set[str]
    pieces: list[Token | Placed] = field(default_factory=list)
    levels: list[_Level] = field(default_factory=lambda: [_Level()])
    before: Token | None = None
    opens: bool = False
    """Whether a table comes next."""


def parse(text: str) -> Statement:
    """The one statement that `text` is. Raises Invalid (`bad-statement`) that points at the first place that is not in the
    language, Denied (`statement-refused`) for one that would change something."""
    tokens = tokenize(text)
    tokens = _only_one(text, tokens)
    cursor = Cursor(text, tokens)
    explain = cursor.skip("EXPLAIN")
    graph = not explain and cursor.skip("GRAPH")
    first = cursor.peek()
    if first.word in ("DESCRIBE", "SHOW") and not explain and not graph:
        return _about(cursor)
    _check_beginning(text, first)
    reader = _Reader(cursor, _defined(tokens), {token.value.lower() for token in tokens})
    while cursor.peek().kind != "end":
        _step(reader)
    select = Select(text, tuple(reader.pieces), explain, graph)
    _check_graph(select, first)
    return select


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands before a place in a statement: the clause it lies in (empty: none yet), whether a table comes next, or a whole
    query, the source that ends there, and the source in whose predicate it lies."""

    clause: str
    opens: bool
    query: bool
    after: Source | None = None
    inside: Source | None = None


def standing(text: str, at: int) -> Standing:
    """What stands before the character `at` of a statement that can be read. Raises as `parse`."""
    tokens = tokenize(text)
    cursor = Cursor(text, tokens)
    if not cursor.skip("EXPLAIN"):
        cursor.skip("GRAPH")
    reader = _Reader(cursor, _defined(tokens), {token.value.lower() for token in tokens})
    while cursor.peek().kind != "end" and cursor.peek().span.start < at:
        _step(reader)
    last = reader.pieces[-1] if reader.pieces else None
    source = last.source if isinstance(last, Placed) else None
    beyond = cursor.at > 0 and cursor.tokens[cursor.at - 1].span.start >= at
    level = reader.levels[-1]
    query = _query_place(reader) and (reader.before is None or level.clause in ("SET", "WITH") or level.table)
    return Standing(level.clause, reader.opens, query, None if beyond else source, source if beyond else None)


def _check_graph(select: Select, first: Token) -> None:
    if select.graph and not (
        len(select.pieces) == 1 and select.sources and isinstance(select.sources[0].source, _WITH_EDGES)
    ):
        said = (
            "expected a lineage source or question alone after GRAPH, one that has edges: UPSTREAM OF, DOWNSTREAM OF, "
            "AFFECTED BY, PATHS FROM, PLAN FOR, WHAT USED or WHAT PRODUCED"
        )
        raise fault(select.text, first.span, said)


def _only_one(text: str, tokens: list[Token]) -> list[Token]:
    ends = [n for n, token in enumerate(tokens) if token.mark(";")]
    if not ends:
        return tokens
    after = tokens[ends[0] + 1]
    if after.kind != "end":
        code = "statement-refused" if after.word in _REFUSED else "bad-statement"
        raise fault(text, after.span, "expected the end: only one statement is answered at a time", code=code)
    return [*tokens[: ends[0]], after]


def _check_beginning(text: str, first: Token) -> None:
    if first.kind == "end":
        raise fault(text, first.span, f"the statement is empty; expected {_EXPECTED}")
    if first.word in _REFUSED:
        said = f"{first.word} is refused: a statement only reads; expected {_EXPECTED}"
        raise fault(text, first.span, said, code="statement-refused")
    if first.word not in _BEGINNINGS and not first.mark("("):
        raise fault(text, first.span, f"expected {_EXPECTED}{hint(first.value, _BEGINNINGS)}")


def _about(cursor: Cursor) -> Statement:
    verb = cursor.take()
    token = cursor.take()
    if verb.word == "SHOW":
        if token.word not in ("RELATIONS", "TABLES"):
            raise fault(cursor.text, token.span, f"expected RELATIONS after SHOW{hint(token.value, ('RELATIONS',))}")
        _at_end(cursor)
        return Relations(cursor.text)
    if token.kind not in ("word", "name"):
        raise fault(
            cursor.text, token.span, "expected the name of a relation after DESCRIBE; SHOW RELATIONS lists them"
        )
    _at_end(cursor)
    return Describe(cursor.text, token.value.lower(), token.span)


def _at_end(cursor: Cursor) -> None:
    if cursor.peek().kind != "end":
        unexpected(cursor, "the end of the statement")


def _defined(tokens: list[Token]) -> frozenset[str]:
    """Names that the statement itself defines by WITH, in capitals: they come before the word STALE."""
    return frozenset(
        token.value.upper()
        for n, token in enumerate(tokens)
        if token.kind in ("word", "name") and _is_defined(Cursor("", tokens, n + 1))
    )


def _is_defined(cursor: Cursor) -> bool:
    """Whether `[(columns)] AS [[NOT] MATERIALIZED] (` comes next. An alias, `AS s WHERE (`, is no definition."""
    if cursor.peek().mark("("):
        while not cursor.take().mark(")"):
            pass  # every bracket has its end, or there would be no tokens
    if not cursor.skip("AS"):
        return False
    cursor.skip("NOT")
    cursor.skip("MATERIALIZED")
    return cursor.peek().mark("(")


def _step(reader: _Reader) -> None:
    """Takes one token, or one source where one stands."""
    cursor = reader.cursor
    table, whole = reader.opens, _query_place(reader)
    if table or whole:
        start = cursor.peek().span.start
        source = _source(reader, table, whole)
        if source is not None:
            end = cursor.tokens[cursor.at - 1].span.end
            _place(reader, source, Span(start, end), whole)
            return
    token = cursor.take()
    _follow(reader, token)
    reader.pieces.append(token)
    reader.before = token


def _query_place(reader: _Reader) -> bool:
    before, level = reader.before, reader.levels[-1]
    if before is None:
        return True
    if level.clause == "SET":
        return before.word in _SET_WORDS
    return (level.clause == "" and before.mark("(")) or (level.clause == "WITH" and before.mark(")"))


def _source(reader: _Reader, table: bool, whole: bool) -> Source | None:
    cursor, level = reader.cursor, reader.levels[-1]
    token = cursor.peek()
    if sources.starts_source(cursor):
        return sources.source(cursor)
    outermost = reader.before is None or level.clause in ("SET", "WITH")
    sure = table or outermost or level.table
    if whole and sure and questions.starts_question(cursor):
        source = questions.question(cursor)
        _check_after_question(cursor)
        return source
    if not sure or token.kind != "word":
        return None
    if sources.starts_function(cursor):
        return sources.function(cursor)
    if token.word == "STALE" and "STALE" not in reader.defined:
        return sources.source(cursor)
    if sources.needs_more(token.word) and token.word not in reader.defined:
        return sources.source(cursor)
    if cursor.peek(1).word == "OF":
        near = hint(token.value, ("UPSTREAM", "DOWNSTREAM", "STALE"))
        said = f"{token.value} OF is no source; expected UPSTREAM OF, DOWNSTREAM OF or STALE OF{near}"
        raise fault(cursor.text, token.span, said)
    return None


def _check_after_question(cursor: Cursor) -> None:
    token = cursor.peek()
    if token.kind == "end" or token.mark(")") or token.word in _AFTER_QUESTION:
        return
    near = hint(token.value, ("BECAUSE", "WHERE", "ORDER", "LIMIT"))
    expected = "an option, IN 'repo', OF ref, BECAUSE cause (of WHAT IS STALE), WHERE, ORDER BY, LIMIT, or the end"
    raise fault(cursor.text, token.span, f"expected {expected}{near}")


def _place(reader: _Reader, source: Source, span: Span, whole: bool) -> None:
    number = 1
    while f"{stem(source)}_{number}" in reader.taken:
        number += 1
    name = f"{stem(source)}_{number}"
    reader.taken.add(name)
    reader.pieces.append(Placed(source, name, whole, span))
    level = reader.levels[-1]
    reader.levels[-1] = replace(level, clause="FROM")
    reader.before = reader.cursor.tokens[reader.cursor.at - 1]
    reader.opens = False
    _check_alias(reader.cursor)


def _check_alias(cursor: Cursor) -> None:
    """Options come before the alias; says so where one comes after it."""
    ahead = 1 if cursor.peek().word == "AS" else 0
    alias, option = cursor.peek(ahead), cursor.peek(ahead + 1)
    if alias.kind in ("word", "name") and option.word in ("WITHIN", "INCLUDING", "AT", "VIA"):
        raise fault(cursor.text, option.span, f"expected {option.word} before the alias {alias.value}")


def _follow(reader: _Reader, token: Token) -> None:
    """Keeps track of brackets, clauses, and whether a table comes next."""
    level, opened = reader.levels[-1], reader.opens
    reader.opens = False
    if token.mark("(", "[", "{"):
        reader.levels.append(_Level(table=token.mark("(") and (opened or _opens_query(reader, level))))
    elif token.mark(")", "]", "}"):
        reader.levels.pop()
    elif token.word == "WITH" and level.clause == "":
        level.clause = "WITH"
    elif token.word == "FROM" and _begins_tables(reader, level):
        level.clause, reader.opens = "FROM", True
    elif token.word == "JOIN" or (token.mark(",") and level.clause == "FROM"):
        reader.opens = True
    elif token.word == "SELECT":
        level.clause = "SELECT"
    elif token.word in ("UNION", "EXCEPT", "INTERSECT"):
        level.clause = "SET"
    elif token.word in _CLAUSES and not (token.word == "USING" and level.clause == "FROM"):
        level.clause = "AFTER"


def _opens_query(reader: _Reader, level: _Level) -> bool:
    """Whether a parenthesis here holds a query for certain, and not an expression or a function's arguments."""
    before = reader.before
    if before is None:
        return True
    defines = level.clause == "WITH" and before.word in ("AS", "MATERIALIZED")
    return (
        defines
        or (level.table and level.clause == "" and before.mark("("))
        or (level.clause == "SET" and before.word in _SET_WORDS)
    )


def _begins_tables(reader: _Reader, level: _Level) -> bool:
    """Whether the FROM that was just taken is a clause, and no part of IS [NOT] DISTINCT FROM or of a function's arguments."""
    words = [piece.word if isinstance(piece, Token) else "" for piece in reader.pieces[-3:]]
    if words[-1:] == ["DISTINCT"] and "IS" in words[:-1]:
        return False
    return level.clause != "" or reader.before is None or reader.before.mark("(")
