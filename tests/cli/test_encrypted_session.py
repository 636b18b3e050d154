"""A whole session on an encrypted store leaves nothing behind, anywhere, that someone without the key could read or test for."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

from datamon.cli.testing import Shell
from datamon.errors import EXIT_CODES, Denied, Invalid
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.encryption_key import read_key
from datamon.store.opening import Store, store_on
from datamon.store.testing.store_places import mirroring

CONTENTS = {
    "confidential-name.csv": b"confidential,row\n1,thirty-thousand\n" * 40,
    "undisclosed/märchen-über-alles.txt": b"nobody may see this sentence at all\n",
    "undisclosed/large.bin": bytes((i * i * 7 + i // 3) & 255 for i in range(300_000)),
}
WORDS = (
    *("confidential", "undisclosed", "märchen", "large.bin", "classified-repo", "whispered description"),
    *(
        "hush-message",
        "covert-label",
        "hidden-branch",
        "Ada Lovelace",
        "ada@example.org",
        "sealed-target",
        "veiled-out",
    ),
    *("stealth-value", "thirty-thousand", "nobody may see", "masked-step"),
)


@pytest.fixture
def secretive(tmp_path: Path) -> Shell:
    """A person with a key, and a tree that nobody else shall know of."""
    for name in ("home", "here", "temporary"):
        (tmp_path / name).mkdir()
    variables = {
        "DATAMON_NAME": "Ada Lovelace",
        "DATAMON_EMAIL": "ada@example.org",
        "TMPDIR": str(tmp_path / "temporary"),
    }
    shell = Shell(tmp_path / "home", tmp_path / "here", variables)
    for path, content in CONTENTS.items():
        place = shell.cwd / "tree" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        os.utime(place, ns=(0, 1_500_000_000_000_000_000))
    (shell.cwd / "tree" / "link").symlink_to("sealed-target")
    assert shell("store", "create-key", "store.key").code == 0
    return shell


def session(shell: Shell) -> None:
    """What people do with a store."""
    shell.well("repo", "create", "--repo", "classified-repo", "--description", "whispered description")
    shell.well("repo", "create", "--repo", "veiled-out", "--description", "")
    words = ("--repo", "classified-repo", "--path", "tree")
    shell.well("bundle", "upload", *words, "--message", "hush-message", "--label", "covert-label")
    shell.well("bundle", "upload", *words, "--message", "unchanged", "--branch", "hidden-branch")
    shell.well("bundle", "download", "--repo", "classified-repo", "--label", "covert-label", "--destination", "back")
    for path, content in CONTENTS.items():
        assert (shell.cwd / "back" / path).read_bytes() == content
    (shell.cwd / "tree" / "confidential-name.csv").write_bytes(b"confidential,row\n2,thirty-thousand\n")
    shell.well("bundle", "upload", *words, "--message", "second")
    assert shell("bundle", "update", "--repo", "classified-repo", "--destination", "back").code == 0
    assert (shell.cwd / "back" / "confidential-name.csv").read_bytes() == b"confidential,row\n2,thirty-thousand\n"
    command = ("--", "sh", "-c", "cat in/undisclosed/*.txt > out/confidential-result; echo nobody may see")
    bound = ("--input", "classified-repo=in", "--output", "veiled-out=out", "--param", "how=stealth-value")
    (shell.cwd / "out").mkdir()
    assert shell("run", "record", "--step", "masked-step", *bound, *command).code == 0
    for statement in (
        "SELECT name FROM repos",
        "WHAT PRODUCED 'veiled-out'",
        "SELECT path FROM files WHERE repo = 'classified-repo'",
    ):
        assert shell("query", statement).code == 0, statement
    assert shell.well("query", "SELECT step FROM runs", "--format", "csv").lines == ["step", "masked-step"]
    for work in ("rebuild", "refresh", "check", "status"):
        assert shell("index", work).code == 0, work
    for statement in ("WHAT IS STALE", "GRAPH UPSTREAM OF 'veiled-out'", "WHAT USED 'classified-repo'"):
        assert shell("query", statement).code == 0, statement
    assert shell("lineage", "veiled-out").code == 0
    assert shell("check", "--read-data").code == 0
    assert shell("gc", "--grace", "0s").code == 0
    assert shell("check", "--read-data").code == 0


def forms(text: bytes) -> Iterator[bytes]:
    """How a text may stand in a file: as it is, in UTF-16, in hexadecimal digits, in base64 at each of its three places."""
    yield text
    for order in ("utf-16-le", "utf-16-be"):
        yield text.decode("utf-8", "replace").encode(order)
    yield text.hex().encode()
    yield text.hex().upper().encode()
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + text)[4:-4]


def needles() -> set[bytes]:
    """What must be found nowhere."""
    found = {form for word in WORDS for form in forms(word.encode())}
    for content in (*CONTENTS.values(), b"sealed-target"):
        for digest in (blake3(content), blake3(content, derive_key_context="datamon 1 content")):
            found |= {digest.digest()[:12], digest.hexdigest()[:24].encode()}
        packed = zstandard.ZstdCompressor(level=1).compress(content)
        found |= {content[:24], packed[12:40] if len(packed) > 60 else content[:24]}
    return {needle for needle in found if len(needle) >= 8}


def leaks(shell: Shell) -> set[tuple[str, bytes]]:
    """Where any of it is found: below the home and among temporary files, in what files hold and how they are called."""
    searched = needles()
    found = set()
    for top in (shell.home, Path(shell.variables["TMPDIR"])):
        for path in top.rglob("*"):
            content = str(path.relative_to(top)).encode() + (path.read_bytes() if path.is_file() else b"")
            found |= {(str(path), needle) for needle in searched if needle in content}
    return found


def opened(shell: Shell) -> Store:
    place = LocalBackend(shell.home / ".datamon" / "store")
    return store_on(place, place, Author("Eve", "eve@example.org"), key=read_key(shell.cwd / "store.key"))


def test_nothing_of_a_session_can_be_found_without_the_key(secretive: Shell) -> None:
    session(secretive.having(DATAMON_ENCRYPTION_KEY_FILE="store.key"))
    assert leaks(secretive) == set()


def test_nothing_can_be_found_on_any_side_of_a_mirrored_store(secretive: Shell, tmp_path: Path) -> None:
    """Not even who promoted a side, and why."""
    sides = [{"name": name, "metadata": str(secretive.home / "sides" / name)} for name in ("eu", "us")]
    shell = secretive.having(DATAMON_ENCRYPTION_KEY_FILE="store.key", **mirroring(tmp_path, sides))
    session(shell)
    assert shell("store", "promote", "us", "--reason", "hush-message").code == 0
    assert "us decides since" in (shown := shell("store", "get")).err
    assert "by Ada Lovelace: hush-message" in shown.err
    assert shell("repair").code == 0
    assert shell("check", "--read-data").code == 0
    assert sum(1 for path in (secretive.home / "sides" / "us").rglob("*") if path.is_file()) > 20
    assert leaks(secretive) == set()


def test_the_same_search_finds_everything_where_a_store_is_not_encrypted(secretive: Shell) -> None:
    session(secretive)
    found = {needle for _, needle in leaks(secretive)}
    # Some stand in compressed bytes only; a path does where its file is too young for the stat cache.
    hidden = ("thirty-thousand", "sealed-target", "nobody may see", "large.bin")
    words = {word.encode() for word in WORDS if word not in hidden}
    assert words <= found
    assert {blake3(content).digest()[:12] for content in CONTENTS.values()} <= found


def test_every_byte_that_is_left_is_sealed(secretive: Shell) -> None:
    session(secretive.having(DATAMON_ENCRYPTION_KEY_FILE="store.key"))
    store = opened(secretive)
    for stored in store.metadata.list(""):
        store.metadata.get(stored.key)  # Corrupt if anyone else could have made it
    kept = [path for path in (secretive.home / ".datamon" / "store").rglob("*") if path.is_file()]
    assert len(kept) == sum(1 for _ in store.metadata.list(""))
    state = secretive.home / ".datamon" / "state" / store.id
    for path in (path for path in state.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix != ".lock":
            assert store.cover.off(content, path.name)
        else:
            assert content == b""


def test_a_wrong_key_and_no_key_are_different_errors_at_the_command_line(secretive: Shell) -> None:
    keyed = secretive.having(DATAMON_ENCRYPTION_KEY_FILE="store.key")
    keyed.well("repo", "create", "--repo", "classified-repo", "--description", "")
    assert secretive("store", "create-key", "other.key").code == 0
    missing = secretive("repo", "list")
    wrong = secretive.having(DATAMON_ENCRYPTION_KEY_FILE="other.key")("repo", "list")
    assert (missing.code, wrong.code) == (EXIT_CODES[Denied][0], EXIT_CODES[Denied][0])
    assert "no key is given; set encryption.key_file" in missing.sentence
    assert "does not open the store" in wrong.sentence
    malformed = secretive.having(DATAMON_ENCRYPTION_KEY="hunter2")("repo", "list")
    assert malformed.code == EXIT_CODES[Invalid][0]
    assert "hunter2" not in malformed.err


def test_the_key_itself_may_stand_in_the_environment_or_the_configuration_name_its_file(secretive: Shell) -> None:
    key = read_key(secretive.cwd / "store.key")
    secretive.having(DATAMON_ENCRYPTION_KEY=key.text).well("repo", "create", "--repo", "one", "--description", "")
    (secretive.home / ".datamon" / "datamon.yaml").write_text("encryption:\n  key_file: ../../here/store.key\n")
    (line,) = secretive.well("repo", "list").lines
    assert line.startswith("one , ")


def test_the_key_is_in_no_record_of_a_run(secretive: Shell) -> None:
    key = read_key(secretive.cwd / "store.key")
    shell = secretive.having(DATAMON_ENCRYPTION_KEY=key.text)
    shell.well("repo", "create", "--repo", "out", "--description", "")
    (shell.cwd / "out").mkdir()
    told = ("--", "sh", "-c", 'echo "$DATAMON_ENCRYPTION_KEY" | tee out/x; cat store.key')
    assert shell("run", "record", "--step", "s", "--output", "out=out", *told).code == 0
    run = shell.well("query", "SELECT id FROM runs", "--format", "csv").lines[1]
    for shown in (shell("run", "show", run, "--format", "json").out, shell("run", "logs", run).out):
        assert key.text not in shown
        assert key.text.partition(":")[2] not in shown


def test_a_key_for_a_store_that_is_not_encrypted_is_refused(secretive: Shell) -> None:
    secretive.well("repo", "create", "--repo", "open", "--description", "")
    refused = secretive.having(DATAMON_ENCRYPTION_KEY_FILE="store.key")("repo", "list")
    assert refused.code == EXIT_CODES[Invalid][0]
    assert "is not encrypted and a key is given" in refused.sentence


def test_the_key_is_changed(secretive: Shell) -> None:
    old = secretive.having(DATAMON_ENCRYPTION_KEY_FILE="store.key")
    old.well("repo", "create", "--repo", "kept", "--description", "")
    assert old("store", "create-key", "new.key").code == 0
    assert old("store", "change-key", "new.key").code == 0
    assert old("repo", "list").code == EXIT_CODES[Denied][0]
    (line,) = old.having(DATAMON_ENCRYPTION_KEY_FILE="new.key").well("repo", "list").lines
    assert line.startswith("kept , ")
