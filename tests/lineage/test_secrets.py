"""Secret names and values are taken out of everything."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.lineage.records import Param
from datamon.lineage.secrets import MASK, Redactor, secret_values

SECRET = "hunter2-and-more"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "DB_PASSWORD", "PGPASSWORD", "--password", "api_key", "API-KEY", "apikey", "openaiApiKey"),
        *("API_TOKEN", "--auth-token", "authToken", "token", "GH_TOKEN_RO", "client_secret", "aws_secret_access_key"),
        *("AWS_ACCESS_KEY_ID", "private_key", "passwd", "credentials", "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
def test_a_name_that_says_secret_is_secret(name: str) -> None:
    assert Redactor().is_secret(name)


@pytest.mark.parametrize("name", ["tokenizer", "max_tokens", "n_tokens", "key", "keys", "pass", "author", "scale", ""])
def test_an_ordinary_name_is_not_secret(name: str) -> None:
    assert not Redactor().is_secret(name)


def test_configured_names_decide_and_are_globs() -> None:
    redactor = Redactor(names=("*pin", "Session-Cookie"))
    assert [redactor.is_secret(name) for name in ("card_pin", "sessionCookie", "password")] == [True, True, False]


@pytest.mark.parametrize(
    ("argv", "kept"),
    [
        (["x", "--password", SECRET], ["x", "--password", MASK]),
        (["x", f"--password={SECRET}", "y"], ["x", f"--password={MASK}", "y"]),
        (["env", f"API_TOKEN={SECRET}", "x"], ["env", f"API_TOKEN={MASK}", "x"]),
        (["sh", "-c", f"API_TOKEN={SECRET} x; y"], ["sh", "-c", f"API_TOKEN={MASK} x; y"]),
        (["sh", "-c", f"x --api-key '{SECRET} b' y"], ["sh", "-c", f"x --api-key {MASK} y"]),
        (["x", json.dumps({"password": SECRET, "a": 1})], ["x", '{"password": ***, "a": 1}']),
        (["x", f"https://me:{SECRET}@host/db"], ["x", f"https://me:{MASK}@host/db"]),
        (["curl", "-H", f"Authorization: Bearer {SECRET}"], ["curl", "-H", f"Authorization: Bearer {MASK}"]),
        (
            ["x", "--password", "--verbose", "--tokenizer", "bert"],
            ["x", "--password", "--verbose", "--tokenizer", "bert"],
        ),
        (["x", "--scale=2", "a:b", "C=d"], ["x", "--scale=2", "a:b", "C=d"]),
    ],
)
def test_an_argument_vector_keeps_its_shape_and_loses_its_secrets(argv: list[str], kept: list[str]) -> None:
    assert list(Redactor().words(argv)) == kept


def test_a_value_named_secret_on_the_command_line_is_secret_everywhere_afterwards() -> None:
    argv = ["x", "--password", SECRET, "sh", f"A_TOKEN='quoted-{SECRET}'"]
    redactor = Redactor().learning(argv, [Param("db.password", "from-a-param")])
    assert redactor.text(f"<{SECRET}> <from-a-param>") == f"<{MASK}> <{MASK}>"
    assert redactor.words(argv) == ("x", "--password", MASK, "sh", f"A_TOKEN={MASK}")


def test_a_short_value_of_a_secret_name_does_not_mask_ordinary_text() -> None:
    redactor = Redactor().learning(["x", "--password", "a"], [])
    assert redactor.text("a cat") == "a cat"


def test_a_param_of_a_secret_name_loses_its_value_and_others_lose_secret_parts() -> None:
    redactor = Redactor(values=(SECRET, "123456"))
    params = [
        Param("db.password", 7),
        Param("url", f"a{SECRET}b"),
        Param("n", 123456),
        Param("k", [{"x": SECRET, "token": 1}]),
    ]
    assert [redactor.param(param).value for param in params] == [MASK, f"a{MASK}b", MASK, [{"x": MASK, "token": MASK}]]


def test_a_value_is_found_as_json_and_urls_spell_it() -> None:
    value = 'p&s "word"/\\ü'
    redactor = Redactor(values=(value,))
    for spelled in (
        value,
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        quote(value, safe=""),
        repr(value),
    ):
        cleaned = redactor.text(f"x={spelled}.")
        assert MASK in cleaned
        assert "word" not in cleaned


def test_each_line_of_a_secret_of_several_lines_is_secret() -> None:
    redactor = Redactor(values=("-----BEGIN-----\nabcdefghijkl\nz\n",))
    assert redactor.text("zoo abcdefghijkl") == f"zoo {MASK}"


def test_secret_values_are_those_of_secret_variables_that_are_long_enough() -> None:
    variables = {"PATH": "/usr/bin", "API_TOKEN": SECRET, "DB_PASSWORD": "short", "TOKENIZER": "sentencepiece"}
    assert secret_values(variables) == (SECRET,)


def test_text_that_is_no_utf8_is_spelled_out() -> None:
    assert Redactor().text("a\udcffb") == "a\\udcffb"


@given(
    values=st.lists(st.text("ab*", min_size=1, max_size=4), max_size=3),
    pieces=st.lists(st.binary(max_size=6) | st.text("ab*", max_size=6).map(str.encode), max_size=8),
)
def test_a_stream_loses_its_secrets_wherever_it_is_cut(values: list[str], pieces: list[bytes]) -> None:
    cut, whole = Redactor(values=values).stream(), Redactor(values=values).stream()
    in_pieces = b"".join(cut.feed(piece) for piece in pieces) + cut.finish()
    at_once = whole.feed(b"".join(pieces)) + whole.finish()
    assert in_pieces == at_once
    for value in filter(lambda value: "*" not in value, values):
        assert value.encode() not in at_once.replace(MASK.encode(), b"|")


@given(before=st.binary(max_size=20), after=st.binary(max_size=20), cut=st.integers(0, 56))
def test_a_secret_split_between_two_writes_is_found(before: bytes, after: bytes, cut: int) -> None:
    cleaner = Redactor(values=(SECRET,)).stream()
    written = before + SECRET.encode() + after
    kept = cleaner.feed(written[:cut]) + cleaner.feed(written[cut:]) + cleaner.finish()
    assert SECRET.encode() not in kept
    assert kept == written.replace(SECRET.encode(), MASK.encode())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("could not reach postgres://u:hunter22@h/db", "could not reach postgres://u:***@h/db"),
        ("host=x password=hunter22 user=y", "host=x password=*** user=y"),
        ("{'token': 'hunter22', 'n': 1}", "{'token': ***, 'n': 1}"),
        ("Authorization: Bearer hunter22abc", "Authorization: Bearer ***"),
        ("curl -u ada:hunter22 https://h", "curl -u ada:*** https://h"),
        ("bad ghp_" + "a1B2" * 9, "bad ***"),
        ("key AKIA" + "IOSFODNN7EXAMPLE", "key ***"),
        ("git -u origin main: 3 tokens, password is missing", "git -u origin main: 3 tokens, password is missing"),
        ("see https://example.org:8080/a@b", "see https://example.org:8080/a@b"),
    ],
)
def test_a_line_loses_what_stands_in_it_as_a_secret(text: str, kept: str) -> None:
    assert Redactor().line(text) == kept


def test_a_login_of_two_words_loses_its_password_and_is_known_afterwards() -> None:
    argv = ["curl", "-u", "ada:hunter22", "--user", "nobody", "http://h"]
    assert Redactor().words(argv) == ("curl", "-u", "ada:***", "--user", "nobody", "http://h")
    assert Redactor().learning(argv, ()).text("got hunter22") == "got ***"


@pytest.mark.parametrize(
    "value",
    [
        {"auth": {"token": "hunter22"}},
        {"dsn": "host=x password=hunter22"},
        {"url": "https://ada:hunter22@h/"},
        {"options": ["--user", "x", "--password", "hunter22"]},
        {"secrets": ["hunter22"]},
        {"servers": [{"api_key": "hunter22"}]},
    ],
)
def test_a_secret_at_any_depth_of_a_param_is_masked_there_and_known_afterwards(value: dict[str, Any]) -> None:
    param = Param("config", value)
    redactor = Redactor().learning((), (param,))
    assert "hunter22" not in str(Redactor().param(param).value)
    assert redactor.text("it was hunter22!") == "it was ***!"


def test_the_passwords_in_urls_of_variables_are_secret_values() -> None:
    assert secret_values({"DATABASE_URL": "postgres://u:hunter22@h/x", "HOME": "/root"}) == ("hunter22",)
