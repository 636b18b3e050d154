"""Where settings come from: a flag, the environment, the file, the default, in this order."""

import dataclasses
import subprocess
from pathlib import Path

import pytest

from datamon.cli.configuration import read_configuration
from datamon.cli.environment import debugging
from datamon.cli.globals import Globals
from datamon.cli.settings import Settings, load_settings
from datamon.cli.settings_table import SETTINGS
from datamon.errors import Invalid, NotFound

FILE = """\
metadata: ./meta
blob: my-bucket
email: file@example.org
name: File
credential: ~/key.json
context: test
contexts:
  test: {metadata: /test/meta, blob: /test/blob}
  prod: {metadata: gs://prod-meta, blob: gs://prod-blob, name: Prod}
secrets:
  names: [PIN]
  values_from: [HUSH]
of_a_later_version: kept
"""


def settings(home: Path, flags: Globals | None = None, **variables: str) -> Settings:
    return load_settings(flags or Globals(), {"DATAMON_HOME": str(home), **variables})


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A home whose configuration file is `FILE`."""
    (tmp_path / "datamon.yaml").write_text(FILE)
    return tmp_path


def test_with_nothing_set_the_store_lies_in_the_home(tmp_path: Path) -> None:
    found = settings(tmp_path, DATAMON_NAME="N", DATAMON_EMAIL="E")
    assert (found.metadata, found.blob) == (str(tmp_path / "store"), str(tmp_path / "store"))
    assert found.credential is None
    assert found.context is None


def test_a_context_in_the_file_beats_the_files_own_places(written: Path) -> None:
    found = settings(written)
    assert (found.context, found.metadata, found.blob, found.name) == ("test", "/test/meta", "/test/blob", "File")


def test_the_environment_beats_the_file_and_a_flag_beats_the_environment(written: Path) -> None:
    from_environment = settings(written, DATAMON_CONTEXT="prod", DATAMON_METADATA="/env", DATAMON_NAME="Env")
    assert (from_environment.metadata, from_environment.blob) == ("/env", "gs://prod-blob")
    assert from_environment.name == "Env"
    from_flag = settings(written, Globals(context="prod"), DATAMON_CONTEXT="test", DATAMON_METADATA="/env")
    assert (from_flag.metadata, from_flag.blob, from_flag.name) == ("gs://prod-meta", "gs://prod-blob", "Prod")


def test_a_relative_path_in_the_file_is_looked_for_beside_the_file(written: Path) -> None:
    (written / "datamon.yaml").write_text("metadata: ./meta\nblob: ../blob\n")
    found = settings(written)
    assert (found.metadata, found.blob) == (str(written / "meta"), str(written.parent / "blob"))


def test_a_credential_of_the_environment_beats_the_files(written: Path) -> None:
    assert settings(written).credential == Path.home() / "key.json"
    named = settings(written, GOOGLE_APPLICATION_CREDENTIALS="/pod/key.json")
    assert named.credential == Path("/pod/key.json")


def test_secrets_are_resolved_and_unknown_keys_are_left_alone(written: Path) -> None:
    found = settings(written, HUSH="quiet-please")
    assert (found.secret_names, found.secret_values) == (("PIN",), ("quiet-please",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metadata: [a, b]\n", "is wrong at metadata: input should be a valid string"),
        ("contexts: {prod: {blob: 7}}\n", "is wrong at contexts.prod.blob"),
        ("metadata: 'unended\n", "is not YAML at line 2"),
        ("- a\n- b\n", "is wrong"),
        ("blob: /b\n", "without a metadata place"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_says_where(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "datamon.yaml").write_text(text)
    with pytest.raises(Invalid, match=says) as caught:
        settings(tmp_path)
    assert caught.value.code == "bad-config"
    assert "\n" not in caught.value.message


def test_a_context_that_is_not_there_names_those_that_are(written: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no context 'dev' in .*; it has prod, test"):
        settings(written, Globals(context="dev"))


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no configuration file"):
        settings(tmp_path, Globals(config=tmp_path / "absent.yaml"))


def test_the_author_falls_back_to_git_and_then_to_the_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LOGNAME", "ada")
    assert settings(tmp_path).author.name == "ada"
    assert settings(tmp_path).author.email.startswith("ada@")
    subprocess.run(["git", "config", "--global", "user.name", "Ada L"], check=True)
    assert settings(tmp_path).author.name == "Ada L"
    assert settings(tmp_path, DATAMON_NAME="A", DATAMON_EMAIL="a@b").author.name == "A"
    monkeypatch.setenv("PATH", "")
    assert settings(tmp_path).author.name == "ada"


def test_the_table_of_settings_names_every_variable_and_key_that_is_read() -> None:
    readers = (load_settings, debugging)
    source = "".join(Path(reader.__code__.co_filename).read_text() for reader in readers)
    for variable in (
        "DATAMON_CONFIG",
        "DATAMON_CONTEXT",
        "DATAMON_HOME",
        "DATAMON_DEBUG",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ):
        assert variable in source
        assert variable in {setting.variable for setting in SETTINGS}
    keys = {setting.key for setting in SETTINGS}
    said = {"metadata", "blob", "name", "email", "credential", "context"}
    assert {each.name for each in dataclasses.fields(Settings)} & said <= keys


@pytest.mark.parametrize(("key", "meant"), [("secret", "secrets"), ("context_s", "contexts"), ("metdata", "metadata")])
def test_a_known_key_misspelt_is_told_since_what_it_says_would_not_hold(tmp_path: Path, key: str, meant: str) -> None:
    file = tmp_path / "datamon.yaml"
    file.write_text(f"{key}: x\n")
    with pytest.raises(Invalid, match=f"did you mean '{meant}'"):
        read_configuration(file)
