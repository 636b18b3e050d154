"""The command line's reference page, made from the commands themselves."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from datamon.cli.bundle_diff import FOUND_EXIT
from datamon.cli.commands import HELP_OPTIONS, HELP_WIDTH, PROGRAM, Phrases, Root, load, words
from datamon.cli.edge import BROKEN_PIPE_EXIT
from datamon.cli.program import program
from datamon.cli.settings_table import SETTINGS
from datamon.errors import EXIT_CODES, exit_code

if TYPE_CHECKING:
    from typer._click.core import Command, Context

INTRODUCTION = """\
# The command line

<!-- Made by docs/generate_cli.py from the program; edit the help texts in cli/ instead. -->

Results go to stdout, words and progress to stderr. By default a result is plain lines; `--format table|json|jsonl|csv` gives the
others, whose fields are named as in the relations of the [query language](query.md). Ids may be shortened to a unique start or
end of at least 4 characters. `--config` and `--context` may stand anywhere on the line before `--`.
"""


def reference() -> str:
    """The whole page, in Markdown, the same on every machine."""
    sections = [INTRODUCTION, *_settings(), *_exit_codes(), *_commands()]
    return "\n".join(section.rstrip() + "\n" for section in sections)


def _settings() -> Iterator[str]:
    yield "## Settings"
    yield "A flag beats the environment, the environment beats the file `~/.datamon/datamon.yaml`, the file beats the default."
    rows = [
        f"| {setting.meaning} | {_code(setting.flag)} | {_code(setting.variable)} | {_code(setting.key)} | {setting.default} |"
        for setting in SETTINGS
    ]
    head = "| what | flag | environment | key in the file | default |\n| --- | --- | --- | --- | --- |"
    yield "\n".join([head, *rows])
    yield CONTEXTS


CONTEXTS = """\
A context is a named place in the file, with any of the keys `metadata`, `blob`, `email`, `name`, `credential`:

```yaml
email: ada@example.org
name: Ada Lovelace
contexts:
  prod: {metadata: gs://our-metadata, blob: gs://our-blobs}
  here: {metadata: ./store}
context: here
```

A relative path in the file is relative to the file. When only `metadata` is set, file contents lie there too.
"""


def _exit_codes() -> Iterator[str]:
    rows = [(0, "success"), *EXIT_CODES.values()]
    rows += [(FOUND_EXIT, "something was found: `bundle diff` with differences")]
    rows += [
        (exit_code(KeyboardInterrupt()), "stopped by Ctrl-C"),
        (BROKEN_PIPE_EXIT, "nobody reads the output any more"),
    ]
    table = "\n".join(f"| {code} | {meaning} |" for code, meaning in sorted(rows))
    yield f"## Exit codes\n\n| code | meaning |\n| --- | --- |\n{table}"
    yield "`run record` exits with its command's own code."


def _commands() -> Iterator[str]:
    root = program()
    assert isinstance(root, Root)
    with typer.Context(
        root, info_name=PROGRAM, help_option_names=HELP_OPTIONS, terminal_width=HELP_WIDTH, max_content_width=HELP_WIDTH
    ) as ctx:
        for word in words():
            yield from _described(load(word), word.name, ctx, 2)


def _described(command: "Command", name: str, parent: "Context", level: int) -> Iterator[str]:
    ctx = typer.Context(command, parent=parent, info_name=name, terminal_width=HELP_WIDTH, max_content_width=HELP_WIDTH)
    with ctx:
        help_text = re.sub(r"[ \t]+\n", "\n", command.get_help(ctx))
        yield f"{'#' * level} {ctx.command_path}\n\n```text\n{help_text}\n```"
        if isinstance(command, Phrases):
            for phrase in command.list_commands(ctx):
                inner = command.get_command(ctx, phrase)
                assert inner is not None
                yield from _described(inner, phrase, ctx, level + 1)


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""
