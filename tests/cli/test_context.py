"""Contexts at the command line: one's own, and those that a team shares from several homes."""

import json
import operator
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import yaml

from datamon.cli.config_file import change_configuration
from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
Golden = Callable[[str, str], None]


def configured(shell: Shell, text: str) -> Path:
    """The person's configuration file, which holds this text."""
    file = shell.home / ".datamon" / "datamon.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def ada(shell: Shell) -> Shell:
    """A person whose team shares contexts."""
    return shell.having(DATAMON_GLOBAL_CONFIG=str(shell.cwd.parent / "team"))


@pytest.fixture
def bob(ada: Shell) -> Shell:
    """Another one of the team, with a home of his own and the shared place in his file."""
    home = ada.cwd.parent / "bob"
    home.mkdir()
    variables = {"DATAMON_NAME": "Bob", "DATAMON_EMAIL": "bob@example.org"}
    shell = Shell(home, ada.cwd, variables)
    configured(shell, "config: ../../team\n")
    return shell


def told(shell: Shell, text: str) -> str:
    """`text` without the folder that the test lies in."""
    return text.replace(str(shell.cwd.parent), "<root>")


def test_what_the_commands_print(ada: Shell, inside: Inside, golden: Golden) -> None:
    lines = [
        ("context", "create", "--context", "scratch", "--metadata", "./scratch"),
        ("context", "create", "--context", "team", "--metadata", "./m", "--blob", "./b", "--shared", "--init"),
        ("context", "list"),
        ("context", "use", "scratch"),
        ("context", "get"),
        ("context", "get", "--context", "team"),
        ("context", "list", "--format", "csv"),
        ("context", "list", "--format", "jsonl"),
        ("context", "get", "--context", "team", "--format", "json"),
        ("context", "create", "--context", "team", "--metadata", "./m"),
        ("context", "create", "--context", "team", "--metadata", "./m", "--blob", "./b"),
        ("context", "get", "--context", "temp"),
        ("context", "create", "--context", "scratch", "--metadata", "./other"),
        ("context", "create", "--context", "a/b", "--metadata", "./other"),
        ("context", "create", "--metadata", "./other"),
        ("context", "create", "--context", "new"),
        ("context", "delete", "--context", "scratch"),
        ("context", "delete", "--context", "team", "--shared"),
        ("context", "delete", "--context", "team", "--shared"),
        ("context", "get"),
        ("context", "list"),
    ]
    shown = ""
    for line in lines:
        ran = inside(ada, *line)
        shown += f"$ datamon {' '.join(line)}\n{ran.out}{ran.err}" + (f"[{ran.code}]\n" if ran.code else "")
    golden("contexts", told(ada, shown))


def test_the_file_stays_private_and_keeps_what_is_not_known_but_no_comments(ada: Shell, inside: Inside) -> None:
    file = configured(ada, "# mine\nmetadata: ~/m\nmine: {a: 1}\ncontexts: {dev: {metadata: ~/d, later: [1]}}\n")
    ran = inside(ada, "context", "create", "--context", "new", "--metadata", "~/n", "--credential", "key.json")
    assert (ran.code, ran.err) == (0, f"note: the comments in {file} were not kept\n")
    inside(ada, "context", "create", "--context", "dev", "--blob", "~/b", "--force").good()
    assert yaml.safe_load(file.read_text()) == {
        "metadata": "~/m",
        "mine": {"a": 1},
        "contexts": {
            "dev": {"metadata": "~/d", "later": [1], "blob": "~/b"},
            "new": {"metadata": "~/n", "credential": f"{ada.cwd}/key.json"},
        },
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["datamon.yaml"]


def test_a_configuration_that_is_a_link_stays_one(ada: Shell, inside: Inside) -> None:
    file = configured(ada, "")
    file.unlink()
    real = ada.cwd / "dotfile.yaml"
    real.write_text("email: a@b\n")
    file.symlink_to(real)
    inside(ada, "context", "create", "--context", "new", "--metadata", "./n").good()
    assert file.is_symlink()
    assert list(yaml.safe_load(real.read_text())) == ["email", "contexts"]


def test_a_wrong_configuration_is_told_and_left_as_it_is(ada: Shell, inside: Inside) -> None:
    file = configured(ada, "contexts: {dev: {metadata: 7}}\n")
    for line in (["context", "list"], ["context", "create", "--context", "x", "--metadata", "./x"]):
        ran = inside(ada, *line)
        assert (ran.code, "is wrong at contexts.dev.metadata" in ran.sentence) == (2, True)
    assert file.read_text() == "contexts: {dev: {metadata: 7}}\n"


def test_changes_of_the_file_that_are_made_at_once_are_all_kept(tmp_path: Path) -> None:
    file = tmp_path / "new" / "datamon.yaml"

    def change(person: int) -> None:
        for turn in range(10):
            change_configuration(file, partial(operator.or_, {f"{person}-{turn}": turn}))

    with ThreadPoolExecutor(8) as people:
        list(people.map(change, range(8)))
    assert len(yaml.safe_load(file.read_text())) == 80
    assert [path.name for path in file.parent.iterdir()] == ["datamon.yaml"]


def test_what_one_shares_another_uses_from_another_home(ada: Shell, bob: Shell, inside: Inside) -> None:
    inside(ada, "context", "create", "--context", "prod", "--metadata", "./prod", "--shared").good()
    inside(bob, "context", "use", "prod").good()
    inside(bob, "repo", "create", "--repo", "orders", "--description", "d").good()
    assert inside(ada, "repo", "list", "--context", "prod").good()[0].startswith("orders , d , Bob , ")
    assert (ada.cwd / "prod" / "store.json").exists()
    assert "prod" in inside(bob, "context", "list").good()[0]
    refused = inside(bob, "context", "create", "--context", "prod", "--metadata", "./mine", "--shared")
    assert refused.code == 5
    assert refused.sentence.startswith("Ada has made the context 'prod' in ")
    inside(bob, "context", "create", "--context", "prod", "--metadata", "./next", "--shared", "--force").good()
    assert inside(ada, "repo", "list", "--context", "prod").good() == []
    found = json.loads(inside(ada, "context", "get", "--context", "prod", "--format", "json").out)
    assert (found["version"], found["author"], found["metadata"]) == (2, "Bob", f"{ada.cwd}/next")
    assert found["blob"] == f"{ada.cwd}/next"


def test_ones_own_context_comes_before_a_shared_one_of_the_same_name(ada: Shell, inside: Inside) -> None:
    inside(ada, "context", "create", "--context", "prod", "--metadata", "./theirs", "--shared").good()
    inside(ada, "context", "create", "--context", "prod", "--metadata", "./mine").good()
    inside(ada, "context", "use", "prod").good()
    listed = [json.loads(line) for line in inside(ada, "context", "list", "--format", "jsonl").good()]
    assert [(each["metadata"].rpartition("/")[2], each["in_use"]) for each in listed] == [
        ("mine", True),
        ("theirs", False),
    ]
    inside(ada, "repo", "create", "--repo", "r", "--description", "d").good()
    assert (ada.cwd / "mine" / "store.json").exists()


def test_a_context_of_the_file_is_shared_without_its_secrets(ada: Shell, bob: Shell, inside: Inside) -> None:
    configured(
        ada,
        "contexts:\n  prod:\n    metadata: ../prod\n    credential: ~/k.json\n    name: Ada L\n    email: x@y\n"
        "    later: {key_file: ~/secret.key, kind: aead}\n    only: {token: t}\n",
    )
    inside(ada, "context", "create", "--context", "prod", "--shared").good()
    found = json.loads(inside(bob, "context", "get", "--context", "prod", "--format", "json").out)
    assert found["more"] == {"later": {"kind": "aead"}}
    assert found["metadata"] == str(ada.home / "prod")
    stored = b"".join(path.read_bytes() for path in (ada.cwd.parent / "team" / "contexts").rglob("0*"))
    for secret in (b"k.json", b"secret", b"x@y", b"Ada L"):
        assert secret not in stored
    refused = inside(ada, "context", "create", "--context", "x", "--metadata", "./x", "--credential", "k", "--shared")
    assert refused.code == 2


def test_a_place_that_cannot_be_used_is_told_and_nothing_is_written(ada: Shell, inside: Inside) -> None:
    (ada.cwd / "thesis").mkdir()
    (ada.cwd / "thesis" / "a.tex").write_text("words")
    others = inside(ada, "context", "create", "--context", "x", "--metadata", "./thesis")
    assert (others.code, "holds other things" in others.sentence) == (2, True)
    for name in ("one", "two"):
        inside(ada, "context", "create", "--context", name, "--metadata", f"./{name}", "--init").good()
    foreign = inside(ada, "context", "create", "--context", "x", "--metadata", "./one", "--blob", "./two")
    assert (foreign.code, "belongs to the store" in foreign.sentence) == (5, True)
    unreachable = inside(ada, "context", "create", "--context", "x", "--metadata", "s3://no")
    assert (unreachable.code, "is no place for a store" in unreachable.sentence) == (2, True)
    assert [line.split(" ")[0] for line in inside(ada, "context", "list").good()] == ["one", "two"]


def test_creating_a_context_makes_nothing_in_its_place(ada: Shell, inside: Inside) -> None:
    inside(ada, "context", "create", "--context", "x", "--metadata", "./x").good()
    assert not (ada.cwd / "x").exists()


def test_the_originals_flags_are_taken(ada: Shell, inside: Inside) -> None:
    line = ("context", "create", "--context", "dev", "--meta", "./m", "--blob", "./b", "--vmeta", "v", "--wal", "w")
    ran = inside(ada, *line, "--read-log", "r")
    assert (ran.code, "were left aside" in ran.err) == (0, True)
    assert inside(ada, "context", "get", "--context", "dev").good()[0].startswith(f"dev , {ada.cwd}/m , {ada.cwd}/b , ")


def test_shared_contexts_that_cannot_be_looked_at_leave_ones_own(ada: Shell, inside: Inside) -> None:
    inside(ada, "context", "create", "--context", "mine", "--metadata", "./m").good()
    team = ada.cwd.parent / "team" / "contexts" / "prod"
    team.mkdir(parents=True)
    (team / f"{1:020d}").write_text("{}")
    ran = inside(ada, "context", "list")
    assert (ran.code, len(ran.lines), ran.lines[0].split(" ")[0]) == (8, 1, "mine")
    inside(ada, "repo", "list", "--context", "mine").good()


def test_a_context_that_names_only_metadata_keeps_its_files_there_too(ada: Shell, inside: Inside) -> None:
    configured(ada, "metadata: ~/top\nblob: ~/top-blob\ncontexts: {dev: {metadata: ~/dev}}\n")
    shell = ada.having(DATAMON_BLOB=str(ada.cwd / "elsewhere"))
    inside(shell, "repo", "create", "--repo", "r", "--description", "d", "--context", "dev").good()
    assert (ada.home / "dev" / "blobs.json").exists()
    assert not (ada.cwd / "elsewhere").exists()


def test_using_a_context_says_when_the_environment_says_another(ada: Shell, inside: Inside) -> None:
    for name in ("one", "two"):
        inside(ada, "context", "create", "--context", name, "--metadata", f"./{name}").good()
    ran = inside(ada.having(DATAMON_CONTEXT="two"), "context", "use", "one")
    assert (ran.code, ran.err) == (0, "note: DATAMON_CONTEXT is set to 'two', which counts more than the file\n")
    assert inside(ada, "context", "use", "three").code == 4
    assert inside(ada, "context", "get").good()[0].startswith("one , ")
