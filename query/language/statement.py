"""The parts of a statement, as the parser leaves them: nothing is resolved, no parameter has its value yet."""

from dataclasses import dataclass
from typing import Literal

from datamon.query.language.faults import Span
from datamon.query.language.tokens import Token

RefForm = Literal["plain", "bundle", "file", "run", "step"]
Level = Literal["any", "run", "bundle"]
Direction = Literal["upstream", "downstream"]
Including = Literal["failed", "deleted", "frozen", "system"]

CAUSES = ("input", "appeared", "code", "param", "env", "upstream", "superseded", "missing")
"""Why an output can be stale, in the order in which docs/query.md defines them."""


@dataclass(frozen=True, slots=True)
class Value:
    """A literal (its text), or the name of the parameter that stands for it. `span` is where it stands."""

    literal: str | None
    param: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference as typed: its form and its text."""

    form: RefForm
    value: Value
    span: Span


@dataclass(frozen=True, slots=True)
class Closure:
    """UPSTREAM OF and DOWNSTREAM OF: everything `ref` came from, or went into.

    `at` keeps rows of that kind only. `within` is the greatest depth, in runs. The tokens of `stop_at` are a predicate: a
    bundle or run that fulfils it is a row, and nothing beyond it is.
    """

    direction: Direction
    ref: Ref
    at: Level = "any"
    within: Value | None = None
    stop_at: tuple[Token, ...] = ()
    including: frozenset[Including] = frozenset()


@dataclass(frozen=True, slots=True)
class Produced:
    """WHAT PRODUCED: the runs that wrote the content of `ref`, the first successful one first."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Stale:
    """STALE and its questions: a row for each stale output and cause, of all outputs that a ref holds, or of `of` alone."""

    of: Ref | None = None
    repo: Value | None = None
    because: Value | None = None
    including: frozenset[Including] = frozenset()


Source = Closure | Produced | Stale


@dataclass(frozen=True, slots=True)
class Placed:
    """A source where it stands in a SELECT. `whole` when it stands where a whole query may, not a table."""

    source: Source
    name: str
    whole: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT, or a bare source or question, which is one: tokens and sources in their order."""

    text: str
    pieces: tuple[Token | Placed, ...]
    explain: bool = False

    @property
    def sources(self) -> list[Placed]:
        """The sources, in their order."""
        return [piece for piece in self.pieces if isinstance(piece, Placed)]


@dataclass(frozen=True, slots=True)
class Describe:
    """DESCRIBE: the columns of a relation, of a source, or of a source's name."""

    text: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Relations:
    """SHOW RELATIONS."""

    text: str


Statement = Select | Describe | Relations


@dataclass(slots=True)
class Cursor:
    """A place in a list of tokens, the last of which is the end."""

    text: str
    tokens: list[Token]
    at: int = 0

    def peek(self, ahead: int = 0) -> Token:
        """The token so far ahead, or the end."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        """The next token; the cursor stands behind it afterwards."""
        token = self.peek()
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def words(self, *words: str) -> bool:
        """Whether these words come next."""
        return all(self.peek(n).word == word for n, word in enumerate(words))

    def skip(self, *words: str) -> bool:
        """Steps over these words when they come next; whether they did."""
        if not self.words(*words):
            return False
        self.at += len(words)
        return True
