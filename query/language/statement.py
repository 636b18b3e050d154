"""The parts of a statement, as the parser leaves them: nothing is resolved, no parameter has its value yet."""

from dataclasses import dataclass
from typing import Literal

from datamon.query.language.faults import Span
from datamon.query.language.tokens import Token

RefForm = Literal["plain", "bundle", "file", "run", "step", "code", "param", "env", "column", "hash"]
Level = Literal["any", "run", "bundle", "file", "column"]
Direction = Literal["upstream", "downstream"]
Including = Literal["failed", "deleted", "frozen", "system", "inferred"]
Using = Literal["any", "declared", "observed"]
Aspect = Literal["files", "params", "code", "env", "inputs"]

CAUSES = ("input", "appeared", "code", "param", "env", "upstream", "superseded", "missing")
"""Why an output can be stale, in the order in which docs/query.md defines them."""
ASPECTS: tuple[Aspect, ...] = ("files", "params", "code", "env", "inputs")
"""What DIFF compares, in the order of its rows."""


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
class Options:
    """What was said after a source; each source allows some of it (`options.ALLOWED`).

    `at` keeps rows of that kind only, `file` and `column` follow those one by one. `within` is the greatest depth, in runs. The
    tokens of `stop_at` and `via` are predicates: nothing beyond a node that fulfils the first is a row, and with the second only
    what is reached through a node that fulfils it, or is one. `as_of` is the moment that is asked about, by the times of
    recording, or with `by_started` by the runs' own. `using` says which reads count.
    """

    at: Level = "any"
    within: Value | None = None
    stop_at: tuple[Token, ...] = ()
    via: tuple[Token, ...] = ()
    as_of: Value | None = None
    by_started: bool = False
    using: Using = "any"
    including: frozenset[Including] = frozenset()


PLAIN = Options()


@dataclass(frozen=True, slots=True)
class Closure:
    """UPSTREAM OF and DOWNSTREAM OF: everything `ref` came from, or went into."""

    direction: Direction
    ref: Ref
    options: Options = PLAIN


@dataclass(frozen=True, slots=True)
class Affected:
    """AFFECTED BY: what would become stale if `change` changed."""

    change: Ref
    options: Options = PLAIN


@dataclass(frozen=True, slots=True)
class Paths:
    """PATHS FROM … TO: the ways from one thing to another in the direction of the data, shortest first."""

    start: Ref
    end: Ref
    options: Options = PLAIN


@dataclass(frozen=True, slots=True)
class Planned:
    """PLAN FOR and HOW TO REBUILD: the steps to run again so that `ref` is fresh."""

    ref: Ref
    options: Options = PLAIN


@dataclass(frozen=True, slots=True)
class Diff:
    """DIFF: in what two bundles, or two runs, differ."""

    old: Ref
    new: Ref
    on: frozenset[Aspect] = frozenset(ASPECTS)


@dataclass(frozen=True, slots=True)
class Differ:
    """WHY DOES … DIFFER FROM: where the ways on which two bundles were made part, nearest first."""

    ref: Ref
    other: Ref
    options: Options = PLAIN


@dataclass(frozen=True, slots=True)
class NotReused:
    """WHY WAS … NOT REUSED: in what a run differs from the nearest earlier run of its step."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Contains:
    """WHAT CONTAINS: the bundles that hold a content, or most of it."""

    ref: Ref
    options: Options = PLAIN


@dataclass(frozen=True, slots=True)
class Produced:
    """WHAT PRODUCED: the runs that wrote the content of `ref`, the first successful one first."""

    ref: Ref
    options: Options = PLAIN


@dataclass(frozen=True, slots=True)
class Stale:
    """STALE and its questions: a row for each stale output and cause, of all outputs that a ref holds, or of `of` alone."""

    of: Ref | None = None
    repo: Value | None = None
    because: Value | None = None
    options: Options = PLAIN


Source = Closure | Affected | Paths | Planned | Diff | Differ | NotReused | Contains | Produced | Stale


def stem(source: Source) -> str:
    """What a source is called where a SELECT needs a name for it."""
    if isinstance(source, Closure):
        return source.direction
    names: dict[type[Source], str] = {Planned: "plan", Differ: "differences", NotReused: "not_reused"}
    return names.get(type(source), type(source).__name__.lower())


def references(source: Source) -> tuple[Ref, ...]:
    """The references of a source, in the order in which they stand."""
    match source:
        case Paths(start, end):
            return start, end
        case Diff(old, new):
            return old, new
        case Differ(ref, other):
            return ref, other
        case Affected(change):
            return (change,)
        case Stale(of):
            return (of,) if of else ()
        case _:
            return (source.ref,)


def options(source: Source) -> Options:
    """What was said after a source; nothing after one that takes no options."""
    return PLAIN if isinstance(source, Diff | NotReused) else source.options


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
    graph: bool = False

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
