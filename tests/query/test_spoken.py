"""What is taken for an everyday question is one, and the one that the language's parser reads."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datamon.errors import DatamonError
from datamon.query.language.parse import parse
from datamon.query.language.statement import PLAIN, Closure, Produced, Select, Stale
from datamon.query.quick.spoken import ABOUT_STALENESS, Spoken, spoken

WORDS = (
    *("WHAT PRODUCED", "WHAT USED", "UPSTREAM OF", "DOWNSTREAM OF", "what", "used", "Of", "SELECT count(*) FROM"),
    *("'model@prod'", "'a'", "'a''b'", "'a:b/c'", "''", "'ö'", "x'41'", "e'a'", "$$a$$", "$name", '"a"'),
    *("run 'abcd'", "step 'p/s'", "bundle 'a@b'", "file 'a:b'", "param 'x'", "env 'n==1'", "run", "STEP"),
    *(
        "AT run",
        "AT bundle",
        "AT file",
        "at",
        "WITHIN 3",
        "WITHIN 03",
        "WITHIN 1_0",
        "WITHIN 2.5",
        "WITHIN 1e3",
        "WITHIN",
    ),
    *(
        "INCLUDING failed",
        "INCLUDING failed, deleted",
        "INCLUDING system",
        ", system",
        "inferred",
        "STOP AT (kind = 'run')",
    ),
    *(
        "AS OF '2026-01-01'",
        "USING observed",
        "LIMIT 1",
        "WHERE true",
        "(",
        ")",
        ",",
        "*",
        ";",
        "-- note",
        "/* note */",
        "\n",
    ),
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)


@given(TEXTS)
@example("SELECT count(*) FROM UPSTREAM OF 'a' AT run WITHIN 3 INCLUDING failed, deleted")
@example("WHAT USED run 'abcd' INCLUDING failed")
@example("WHAT IS STALE")
@example("SELECT count(*) FROM STALE")
@example("WHAT IS STALE IN 'a'")
@example("WHY IS bundle 'a@b' STALE")
@example("WHY IS 'a' STALE BECAUSE code")
@example("UPSTREAM OF 'a' -- note")
@example("UPSTREAM OF'a'")
@example("UPSTREAM OF 'a'AT run")
@example("DOWNSTREAM OF 'a' WITHIN 1 WITHIN 2")
def test_what_is_taken_is_what_the_parser_reads(text: str) -> None:
    asked = spoken(text)
    if asked is not None:
        _compare(text, asked)


def _compare(text: str, asked: Spoken) -> None:
    statement = parse(text)
    assert isinstance(statement, Select), text
    assert not statement.explain, text
    (placed,) = statement.sources
    source = placed.source
    assert (len(statement.pieces) == 1) is not asked.counted, text
    if asked.asks == "produced":
        assert isinstance(source, Produced), text
        assert (source.ref.form, source.ref.value.literal) == (asked.form, asked.ref)
        return
    if asked.asks in ABOUT_STALENESS:
        assert isinstance(source, Stale), text
        assert (source.because, source.options) == (None, PLAIN), text
        ref = None if source.of is None else (source.of.form, source.of.value.literal)
        assert ref == (None if asked.asks == "stale" else (asked.form, asked.ref)), text
        assert (source.repo.literal if source.repo else "") == (asked.ref if asked.asks == "stale" else ""), text
        return
    assert isinstance(source, Closure), text
    options = source.options
    told = (source.direction, source.ref.form, source.ref.value.literal, options.at, options.including)
    assert told == (asked.direction, asked.form, asked.ref, asked.at, asked.including), text
    assert (None if options.within is None else int(options.within.literal or "")) == asked.within, text
    assert (options.using, options.stop_at, options.via, options.as_of) == ("any", (), (), None), text


@pytest.mark.parametrize(
    "text",
    [
        "WHAT PRODUCED 'model@prod'",
        "what used 'orders@b3f1'",
        "UPSTREAM OF step 'train'",
        "DOWNSTREAM OF run '7c2e' AT bundle WITHIN 2 INCLUDING failed, deleted",
        "SELECT count(*) FROM DOWNSTREAM OF 'raw'",
    ],
)
def test_everyday_questions_are_taken(text: str) -> None:
    assert spoken(text) is not None


@given(st.text(max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    if spoken(text) is not None:
        parse(text)


@given(TEXTS)
def test_what_the_parser_refuses_is_not_taken(text: str) -> None:
    try:
        parse(text)
    except DatamonError:
        assert spoken(text) is None
