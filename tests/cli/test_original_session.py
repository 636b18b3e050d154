"""The original's session, typed literally, round-trips a tree of every kind of file, byte for byte."""

import os
import re
import stat
from pathlib import Path

import pytest

from datamon.cli.testing import Shell
from datamon.store.testing.store_places import StorePlace

KSUID = r"[0-9A-Za-z]{27}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
LATIN = "résumé with spaces.txt"
SCRIPTS = (LATIN, "данные/таблица.csv", "数据/表.txt", "ملف.txt", "🎲 dice.txt")


def plant(root: Path) -> None:
    """A tree of everything that the first datamon lost: modes, times, links, empty directories."""
    (root / "empty" / "deeper").mkdir(parents=True)
    for number, name in enumerate(SCRIPTS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{name} {number}\n", encoding="utf-8")
    (root / "zero").write_bytes(b"")
    (root / "large.bin").write_bytes(bytes((i * i * 7 + i // 3) & 255 for i in range(300_000)))
    (root / "tool.sh").write_text("#!/bin/sh\necho hello\n")
    (root / "tool.sh").chmod(0o755)
    (root / "private.key").write_text("mine\n")
    (root / "private.key").chmod(0o600)
    (root / "link").symlink_to("tool.sh")
    (root / "link to a directory").symlink_to("empty", target_is_directory=True)
    (root / "dangling").symlink_to("nowhere/at all")
    (root / "empty" / "deeper").chmod(0o750)
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, ns=(0, 1_500_000_000_123_456_789 + number * 1_000_000_007), follow_symlinks=False)


def portrait(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that must come back: kind, mode, time, target, bytes, by path."""
    return {str(path.relative_to(root)): features(path) for path in sorted(root.rglob("*"))}


def features(path: Path) -> tuple[object, ...]:
    """What one path is."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return "link", str(path.readlink())
    if stat.S_ISDIR(found.st_mode):
        return "dir", stat.S_IMODE(found.st_mode), found.st_mtime_ns
    return "file", stat.S_IMODE(found.st_mode), found.st_mtime_ns, path.read_bytes()


@pytest.fixture
def tree(shell: Shell) -> Path:
    """The directory `orders` in the working directory."""
    root = shell.cwd / "orders"
    root.mkdir()
    plant(root)
    return root


def test_the_original_session_works_as_it_was_typed_and_gives_every_byte_back(
    shell: Shell, tree: Path, place: StorePlace
) -> None:
    key = shell.cwd / "key.json"
    key.write_text(place.key_file)
    shell = Shell(shell.home, shell.cwd, place.variables)

    def typed(line: str) -> list[str]:
        words = [word.replace("_", " ") for word in line.split()]
        assert words.pop(0) == "datamon"
        return list(shell.well(*words).lines)

    # Who you are.
    typed("datamon config create --email ada@example.org --name Ada_Lovelace --credential key.json")
    file = shell.home / ".datamon" / "datamon.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"email: ada@example.org\nname: Ada Lovelace\ncredential: {key}\n"

    # A repo, a bundle.
    assert typed("datamon repo create --repo orders --description Orders_by_night") == []
    (repo,) = typed("datamon repo list")
    assert re.fullmatch(rf"orders , Orders by night , Ada Lovelace , ada@example\.org , {TIME}", repo)
    assert typed("datamon repo get --repo orders") == [repo]
    lines = typed("datamon bundle upload --repo orders --path orders --message first_export --label init")
    assert lines[0] == "set label 'init'"
    found = re.fullmatch(rf"Uploaded bundle id:({KSUID})", lines[-1])
    assert found and len(lines) == 2
    bundle = found[1]

    # The lists.
    (listed,) = typed("datamon bundle list --repo orders")
    assert re.fullmatch(rf"{bundle} , {TIME} , first export", listed)
    (label,) = typed("datamon label list --repo orders")
    assert re.fullmatch(rf"init , {bundle} , {TIME}", label)
    files = typed(f"datamon bundle list files --repo orders --bundle {bundle}")
    named = {line.removeprefix("name:").rpartition(", size:")[0]: line for line in files}
    assert set(SCRIPTS) | {"zero", "large.bin", "dangling"} <= set(named)
    assert re.fullmatch(r"name:large\.bin, size:300000, hash:[0-9a-f]{64}", named["large.bin"])
    assert typed("datamon bundle list files --repo orders --label init") == files

    # Everything back, by id and by label.
    wanted = portrait(tree)
    for number, chosen in enumerate((f"--bundle {bundle}", "--label init", "")):
        destination = shell.cwd / f"back{number}"
        assert typed(f"datamon bundle download --repo orders --destination back{number} {chosen}") == [
            f"Using bundle: {bundle}"
        ]
        assert portrait(destination) == wanted

    # One file.
    asked = ["--repo", "orders", "--label", "init", "--file", "данные/таблица.csv", "--destination", "one"]
    assert shell.well("bundle", "download", "file", *asked).lines == [f"Using bundle: {bundle}"]
    assert [path.read_bytes() for path in (shell.cwd / "one").rglob("*.csv")] == [
        (tree / "данные/таблица.csv").read_bytes()
    ]

    # A label moved by hand.
    (tree / "zero").write_bytes(b"no more")
    (second,) = typed("datamon bundle upload --repo orders --path orders --message second_export")
    second = second.removeprefix("Uploaded bundle id:")
    assert typed(f"datamon label set --repo orders --label init --bundle {second}") == []
    (label,) = typed("datamon label list --repo orders")
    assert label.startswith(f"init , {second} , ")
    assert [line.split(" , ")[0] for line in typed("datamon bundle list --repo orders")] == [bundle, second]
