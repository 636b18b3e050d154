"""`datamon import-legacy`, as a person types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell
from datamon.store.testing.legacy_imports import ksuid, moment
from datamon.store.testing.legacy_writer import LegacyWriter, context_yaml, in_directories

Inside = Callable[..., Ran]
PLACES = ("--metadata", "../old/metadata", "--vmetadata", "../old/vmetadata", "--blob", "../old/blob")


@pytest.fixture
def old(shell: Shell) -> Path:
    """An old store beside the working directory: a repo with two bundles and a label."""
    root = shell.cwd.parent / "old"
    writer = LegacyWriter(in_directories(root))
    writer.repo("orders", "Orders")
    for number in (1, 2):
        people = [("Grace", "grace@example.org")]
        files: dict[str | bytes, bytes] = {"a.csv": b"id\n%d\n" % number, "raw/b.bin": bytes(3_000)}
        writer.bundle("orders", ksuid(number), files, time=moment(number), message=f"export {number}", people=people)
    writer.label("orders", "prod", ksuid(1), moment(3), [("Grace", "grace@example.org")])
    return root


def test_a_team_moves_over_in_one_command(shell: Shell, inside: Inside, old: Path) -> None:
    ran = inside(shell, "import-legacy", *PLACES)

    assert (ran.code, ran.out) == (0, "")
    assert ran.err == (
        "imported 2 bundles with 4 files and 6,010 bytes in 1 repos, and 1 moves of labels; "
        "0 bundles were here, 0 are left out\n"
    )
    assert inside(shell, "bundle", "list", "--repo", "orders").good() == [
        f"{ksuid(1)} , 2019-03-01T12:00:01.500000Z , export 1",
        f"{ksuid(2)} , 2019-03-01T12:00:02.500000Z , export 2",
    ]
    assert inside(shell, "label", "list", "--repo", "orders").good() == [
        f"prod , {ksuid(1)} , 2019-03-01T12:00:03.500000Z"
    ]
    history = inside(
        shell, "label", "get", "--repo", "orders", "--label", "prod", "--with-versions", "--format", "json"
    )
    [moved] = json.loads(history.out)
    assert (moved["author"], moved["time"]) == ("Grace", "2019-03-01T12:00:03.500000Z")
    inside(shell, "bundle", "download", "--repo", "orders", "--label", "prod", "--destination", "out")
    assert (shell.cwd / "out" / "a.csv").read_bytes() == b"id\n1\n"
    assert (shell.cwd / "out" / "raw" / "b.bin").read_bytes() == bytes(3_000)
    assert inside(shell, "check", "--read-data").code == 0
    asked = inside(shell, "query", "SELECT author, time FROM labels", "--format", "json")
    assert json.loads(asked.out) == [{"author": "Grace", "time": "2019-03-01T12:00:03.500000Z"}]


def test_damage_is_rows_in_every_form_and_exit_code_8(shell: Shell, inside: Inside, old: Path) -> None:
    leaf = next(path for path in (old / "blob").iterdir() if path.read_bytes() == b"id\n2\n")
    leaf.write_bytes(b"id\n3\n")

    ran = inside(shell, "import-legacy", *PLACES, "--format", "json")

    assert ran.code == 8
    [row] = json.loads(ran.out)
    assert {key: row[key] for key in ("severity", "code", "repo", "bundle", "path", "key")} == {
        "severity": "damage",
        "code": "bad-bytes",
        "repo": "orders",
        "bundle": ksuid(2),
        "path": "a.csv",
        "key": leaf.name,
    }
    assert row["message"].endswith(f"until then the bundle {ksuid(2)} of 'orders' is left out")
    assert "imported 1 bundles" in ran.err
    assert "1 bundles were here, 1 are left out" in inside(shell, "import-legacy", *PLACES).err


def test_a_try_out_says_what_would_come(shell: Shell, inside: Inside, old: Path) -> None:
    ran = inside(shell, "import-legacy", *PLACES, "--dry-run", "--repo", "orders")

    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("would import 2 bundles with 4 files and 6,010 bytes in 1 repos, and 1 moves of labels")
    assert inside(shell, "repo", "list").good() == []


def test_a_context_of_the_old_configuration_names_the_places(shell: Shell, inside: Inside, old: Path) -> None:
    record = shell.cwd / "config" / "contexts" / "prod" / "context.yaml"
    record.parent.mkdir(parents=True)
    record.write_bytes(context_yaml("prod", {place: str(old / place) for place in ("metadata", "vmetadata", "blob")}))

    ran = inside(shell, "import-legacy", "--config-bucket", "./config", "--context", "prod")

    assert ran.code == 0, ran.err
    assert len(inside(shell, "bundle", "list", "--repo", "orders").good()) == 2
    assert "contexts/dev/context.yaml" in inside(shell, "import-legacy", "--config-bucket", "./config").sentence


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "name the old store"),
        (("--metadata", "../old/metadata"), 2, "belong together"),
        ((*PLACES, "--config-bucket", "./config"), 2, "says the places itself"),
        ((*PLACES[:-1], "./nowhere"), 4, "there is no directory"),
        ((*PLACES[:-1], "s3://x"), 2, "is no place for a store"),
        ((*PLACES, "--repo", "ordres"), 4, "has no repo 'ordres'; it has orders"),
    ],
)
def test_a_wrong_line_is_told_what_is_wrong(
    shell: Shell, inside: Inside, old: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    ran = inside(shell, "import-legacy", *words)

    assert ran.code == code
    assert sentence in ran.sentence
