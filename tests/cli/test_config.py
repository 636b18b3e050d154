"""`datamon config create` writes what it is told, privately, and drops nothing."""

import stat

from datamon.cli.testing import Shell


def test_it_refuses_a_file_that_exists_and_with_force_keeps_what_it_does_not_know(shell: Shell) -> None:
    file = shell.home / ".datamon" / "datamon.yaml"
    file.parent.mkdir()
    file.write_text("metadata: ~/m\nmine: {a: 1}\ncontexts: {dev: {metadata: ~/d}}\n")
    words = ("config", "create", "--email", "e@x", "--name", "Ñandú")
    refused = shell(*words)
    assert refused.code == 5
    assert refused.sentence == f"the configuration {file} exists; edit it, or change it with --force"
    shell.well(*words, "--force", "--blob", "~/b")
    assert file.read_text() == (
        "metadata: ~/m\nmine:\n  a: 1\ncontexts:\n  dev:\n    metadata: ~/d\nblob: ~/b\nemail: e@x\nname: Ñandú\n"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["datamon.yaml"]


def test_it_writes_where_the_flag_says_and_tells_of_a_missing_credential(shell: Shell) -> None:
    ran = shell(
        "config", "create", "--email", "e", "--name", "n", "--credential", "no.json", "--config", "here/my.yaml"
    )
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "note: there is no file no.json yet\n"
    assert (shell.cwd / "here" / "my.yaml").read_text() == f"email: e\nname: n\ncredential: {shell.cwd}/no.json\n"
