"""Which statements have a quick answer: bare sources and questions that need no SQL, by the language's one parser."""

from dataclasses import dataclass, field

from datamon.errors import DatamonError
from datamon.query.language.parse import parse
from datamon.query.language.references import Target, bundle_target, is_of_bundle, is_of_run
from datamon.query.language.statement import Closure, Options, Produced, Ref, Select
from datamon.query.language.tokens import tokenize
from datamon.query.values import Params, check_given
from datamon.store.opening import Store

Quick = Closure | Produced


@dataclass(slots=True)
class Question:
    """One statement with a quick answer. `target` is what its reference means, None while only the graph knows the run."""

    text: str
    params: Params
    source: Quick
    target: Target | None = None
    notes: list[str] = field(default_factory=list)

    def note(self, said: str) -> None:
        """The answer says this to the person who asked, once."""
        if said not in self.notes:
            self.notes.append(said)


def recognised(store: Store, text: str, params: Params) -> Question | None:
    """The statement, when it is one that has a quick answer. None for any other, and for one that is wrong: the engine says in
    which way. Raises what reading the store raises."""
    source = _source(text, params)
    if source is None:
        return None
    question = Question(text, params, source)
    if is_of_bundle(source.ref):
        deleted = isinstance(source, Produced) or "deleted" in source.options.including
        try:
            question.target = bundle_target(store, text, source.ref, params, deleted=deleted)
        except DatamonError:
            return None
        question.note(question.target.note)
        return None if _is_of_part(question) else question
    return question


def _source(text: str, params: Params) -> Quick | None:
    try:
        statement = parse(text)
        check_given(text, tokenize(text), params)
    except DatamonError:
        return None
    if not isinstance(statement, Select) or statement.explain or statement.graph or len(statement.pieces) != 1:
        return None
    placed = statement.sources
    source = placed[0].source if placed else None
    return (
        source if isinstance(source, Closure | Produced) and _is_plain(source.options) and _is_known(source) else None
    )


def _is_plain(options: Options) -> bool:
    """Whether no SQL, no file and no other moment is asked for."""
    asked = options.stop_at or options.via or options.as_of
    return not asked and options.using == "any" and options.at in ("any", "run", "bundle")


def _is_known(source: Quick) -> bool:
    ref: Ref = source.ref
    return is_of_bundle(ref) or (is_of_run(ref) and isinstance(source, Closure))


def _is_of_part(question: Question) -> bool:
    """Whether files count, of which the graph knows nothing; upstream the whole bundle does."""
    part = bool(question.target and question.target.path)
    source = question.source
    return part and (isinstance(source, Produced) or source.direction == "downstream")
