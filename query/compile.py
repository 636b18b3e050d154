"""From a parsed statement to the one SELECT that it is: each source becomes the name of a relation, in its place."""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datamon.query.language.faults import Span
from datamon.query.language.statement import Placed, Select
from datamon.query.language.tokens import Token


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL to run, and for each of its pieces the place in the statement that it stands for.

    Pieces stand on lines of their own, so that an engine that names a line has named a token. `lines` and `offsets` (in bytes of
    UTF-8) are where each piece begins, rising.
    """

    text: str
    sql: str
    lines: tuple[int, ...]
    offsets: tuple[int, ...]
    spans: tuple[Span, ...]

    def at_line(self, line: int) -> Span:
        """The place of the piece on a line of `sql`, counted from 1."""
        return self.spans[max(0, bisect.bisect_right(self.lines, line) - 1)]

    def at_byte(self, offset: int) -> Span:
        """The place of the piece at a byte of `sql`."""
        return self.spans[max(0, bisect.bisect_right(self.offsets, offset) - 1)]

    def before(self, place: Span) -> Span:
        """The place of the piece before the one at `place`; of the first, its own."""
        return self.spans[max(0, self.spans.index(place) - 1)] if place in self.spans else place


def compile_select(select: Select) -> Compiled:
    """The SELECT with each source replaced by its relation's name."""
    pieces: list[tuple[str, Span]] = []
    for piece in select.pieces:
        if isinstance(piece, Placed):
            pieces.append((f"FROM {piece.name}" if piece.whole else piece.name, piece.span))
        else:
            pieces.append((piece.sql, piece.span))
    return _joined(select.text, pieces)


def compile_predicate(text: str, predicate: Sequence[Token], relation: str) -> Compiled:
    """The SELECT of the ids of `relation` for which a STOP AT predicate holds."""
    first, last = predicate[0].span, predicate[-1].span
    pieces = [(f"SELECT id FROM {relation} WHERE (", first)]  # noqa: S608
    pieces += [(token.sql, token.span) for token in predicate]
    return _joined(text, [*pieces, (")", last)])


def parameters(tokens: Iterable[Token | Placed]) -> frozenset[str]:
    """The names of the parameters that stand in SQL."""
    return frozenset(token.value for token in tokens if isinstance(token, Token) and token.kind == "param")


def shown(select: Select) -> str:
    """The SELECT as a person reads it: the statement as typed, sources by their relations' names."""
    typed = select.text.rstrip().removesuffix(";").rstrip()
    begin = select.pieces[0].span.start if select.pieces else 0
    parts: list[str] = []
    for placed in select.sources:
        parts += [typed[begin : placed.span.start], f"FROM {placed.name}" if placed.whole else placed.name]
        begin = placed.span.end
    sql = "".join([*parts, typed[begin:]]).strip()
    return f"SELECT * {sql}" if sql.startswith("FROM ") and "\n" not in sql and len(select.pieces) == 1 else sql


def _joined(text: str, pieces: Sequence[tuple[str, Span]]) -> Compiled:
    lines, offsets = [], []
    line, offset = 1, 0
    for sql, _ in pieces:
        lines.append(line)
        offsets.append(offset)
        line += sql.count("\n") + 1
        offset += len(sql.encode()) + 1
    sql = "\n".join(sql for sql, _ in pieces)
    return Compiled(text, sql, tuple(lines), tuple(offsets), tuple(span for _, span in pieces))
