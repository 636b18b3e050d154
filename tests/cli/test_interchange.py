"""Runs told to others, signed, verified and taken in, as a person at the command line does it."""

import base64
import json
from collections.abc import Callable

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]


@pytest.fixture
def made(orders: Shell, inside: Inside) -> Shell:
    """A person who has made `report` of `orders` by a recorded run."""
    assert inside(orders, "repo", "create", "--repo", "report", "--description", "d").code == 0
    line = ("--input", "orders=in", "--output", "report=out", "--", "cp", "in/a.csv", "out/a.csv")
    assert inside(orders, "run", "record", *line).code == 0
    return orders


def test_a_run_is_told_in_every_format(made: Shell, inside: Inside) -> None:
    for form in ("openlineage", "prov", "prov-n", "in-toto"):
        told = inside(made, "run", "export", "report", "--closure", "--format", form)
        assert (told.code, bool(told.out)) == (0, True), told.err
        done = inside(made, "run", "export", "report", "--closure", "--format", form, "--output", "told")
        assert done.code == 0
        assert (made.cwd / "told").read_text() == told.out
    assert inside(made, "run", "export", "report", "--format", "ro-crate", "--output", "crate").code == 0
    assert (made.cwd / "crate" / "ro-crate-metadata.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("prov", "--url", "http://localhost:1"),
        ("openlineage", "--sign-key", "k"),
        ("prov", "--with-contents"),
        ("ro-crate",),
        ("openlineage", "--url", "http://localhost:1", "--output", "x"),
    ],
)
def test_options_that_do_not_go_together_are_refused(made: Shell, inside: Inside, words: tuple[str, ...]) -> None:
    assert inside(made, "run", "export", "report", "--format", *words).code == 2


def test_a_notation_whose_library_is_not_there_is_named(made: Shell, inside: Inside) -> None:
    pytest.importorskip("prov")
    told = inside(made, "run", "export", "report", "--format", "prov-rdf")

    assert told.code == 0 or "datamon[prov-rdf]" in told.err


def test_what_nobody_wrote_by_a_run_cannot_be_told(made: Shell, inside: Inside) -> None:
    told = inside(made, "run", "export", "orders", "--format", "prov")

    assert (told.code, "no recorded run wrote" in told.err) == (4, True)


def test_a_run_is_signed_and_verified(made: Shell, inside: Inside) -> None:
    assert inside(made, "run", "create-signing-key", "a.key").code == 0
    assert inside(made, "run", "create-signing-key", "b.key").code == 0
    before = inside(made, "run", "verify", "report")
    assert (before.code, before.out.split(" , ")[0]) == (0, "unsigned")
    assert inside(made, "run", "sign", "report").code == 2
    assert inside(made, "run", "sign", "report", "--key", "a.key").code == 0
    good = inside(made, "run", "verify", "report", "--trusted-key", "a.key.pub", "--format", "json")
    assert (good.code, [row["verdict"] for row in json.loads(good.out)]) == (0, ["good"])
    other = inside(made, "run", "verify", "report", "--trusted-key", "b.key.pub")
    assert (other.code, other.out.split(" , ")[0]) == (8, "untrusted")
    [line] = inside(made, "run", "export", "report", "--format", "in-toto", "--sign-key", "a.key").out.splitlines()
    assert json.loads(base64.b64decode(json.loads(line)["payload"]))["_type"] == "https://in-toto.io/Statement/v1"


def test_with_a_key_in_the_configuration_each_run_is_signed(made: Shell, inside: Inside) -> None:
    assert inside(made, "run", "create-signing-key", "a.key").code == 0
    file = made.home / ".datamon" / "datamon.yaml"
    key = made.cwd / "a.key"
    file.write_text(f"signing:\n  key_file: {key}\n  trusted_key_files: [{key}.pub]\n")
    line = ("--input", "orders=in2", "--output", "report=out2", "--", "cp", "in2/b.csv", "out2/b.csv")
    assert inside(made, "run", "record", *line).code == 0
    verified = inside(made, "run", "verify", "report")

    assert (verified.code, verified.out.split(" , ")[0]) == (0, "good")
    key.unlink()
    assert inside(made, "run", "record", "--", "true").code == 4  # before anything has run


def test_events_of_others_come_in(made: Shell, inside: Inside) -> None:
    event = {
        "eventTime": "2026-01-01T00:00:00Z",
        "eventType": "COMPLETE",
        "run": {"runId": "3f5e83fa-3480-44ff-99c5-ff943904e5e8"},
        "job": {"namespace": "n", "name": "j"},
        "outputs": [{"namespace": "s3://lake", "name": "orders"}],
    }
    (made.cwd / "e").write_text(f"{json.dumps(event)}\nnothing\n")

    strict = inside(made, "run", "import", "e", "--format", "openlineage", "--strict")
    assert (strict.code, ":2:" in strict.err) == (2, True)
    done = inside(made, "run", "import", "e", "--format", "openlineage")
    assert (done.code, "e:2:" in done.err, "imported 1 runs" in done.err) == (0, True, True)
    again = inside(made, "run", "import", "e", "--format", "openlineage")
    assert "imported 0 runs" in again.err
    [row] = json.loads(inside(made, "run", "list", "--pipeline", "n", "--format", "json").out)
    assert (row["step"], row["how"], row["status"]) == ("j", "imported", "succeeded")
    assert inside(made, "run", "show", row["id"]).code == 0
    assert inside(made, "check").code == 0
