"""The words of the command line: which module owns each, loaded only when the word is typed."""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    # The class of a built command is not exported by typer; it is what get_command returns.
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter


PROGRAM = "datamon"
UNCUT = 1_000
"""Characters of a first sentence: all of them."""
HELP_WIDTH = 100
HELP_OPTIONS = ["--help", "-h"]
CONTEXT_SETTINGS = {"help_option_names": HELP_OPTIONS, "max_content_width": HELP_WIDTH}
"""Set on the program, inherited by every command."""


@dataclass(frozen=True, slots=True)
class Word:
    """A first word after `datamon`: a group of commands or a single one."""

    name: str
    module: str
    summary: str
    needs: str | None = None
    """A module without which the word is not offered."""


WORDS: tuple[Word, ...] = (
    Word("config", "datamon.cli.config", "Write the configuration file."),
    Word("context", "datamon.cli.context", "Contexts: named stores, your own or shared by a team."),
    Word("repo", "datamon.cli.repo", "Repos: named data sets."),
    Word("bundle", "datamon.cli.bundle", "Bundles: a repo's file tree at one moment; upload, download, compare."),
    Word("mount", "datamon.cli.mount", "Mounts: what of datamon's is mounted here, and unmounting it."),
    Word("ingest", "datamon.cli.ingest", "Bring a data set in from a bucket, a web server or a directory."),
    Word("label", "datamon.cli.label", "Labels: names that people give to bundles."),
    Word("branch", "datamon.cli.branch", "Branches: names that move with each upload."),
    Word("session", "datamon.cli.sessions", "Sessions: many writers make one bundle, each adding a split."),
    Word("diamond", "datamon.cli.sessions", "The older name of session."),
    Word("run", "datamon.cli.run", "Runs: record a command with what it reads and writes; look at the records."),
    Word("query", "datamon.cli.query", "Ask what produced, what used, what is stale and why, or any SELECT."),
    Word("lineage", "datamon.cli.lineage", "What a bundle or run came from, or what came of it, as a tree."),
    Word(
        "index",
        "datamon.cli.index",
        "The index that questions read: how it stands, make it level, anew, check or push it.",
    ),
    Word("rebuild", "datamon.cli.rebuild", "Make what is stale fresh: run again what has to be, in order."),
    Word("demo", "datamon.cli.demo", "See a small real pipeline go stale and fresh again.", "datamon.cli.demo_story"),
    Word("store", "datamon.cli.store", "The store itself: where it lies, its key, and who decides in a mirrored one."),
    Word("check", "datamon.cli.check", "Find what is damaged or missing in the store."),
    Word("repair", "datamon.cli.repair", "Make good what is damaged or missing."),
    Word("import-legacy", "datamon.cli.import_legacy", "Take over a store of the first datamon."),
    Word("gc", "datamon.cli.gc", "Free the bytes that no bundle needs any more."),
    Word("version", "datamon.cli.version", "Print the version."),
    Word("completion", "datamon.cli.completion", "Print the completion script of a shell."),
)
"""Every word, in the order in which help shows them."""


def words() -> tuple[Word, ...]:
    """The words that this installation has."""
    return tuple(word for word in WORDS if word.needs is None or find_spec(word.needs) is not None)


def load(word: Word) -> "Command":
    """The built command or group of a word; imports its module."""
    app: typer.Typer = import_module(word.module).app
    command: Command = typer.main.get_command(app)
    command.name = word.name
    return command


class Phrases(TyperGroup):
    """A group in which a command may be two words, `list files` beside `list`, and a wrong word is met with the nearest."""

    def resolve_command(self, ctx: "Context", args: list[str]) -> "tuple[str | None, Command | None, list[str]]":
        """The command that the first word or two name, and the arguments left for it."""
        phrase = " ".join(args[:2])
        if len(args) > 1 and phrase in self.list_commands(ctx):
            return phrase, self.get_command(ctx, phrase), args[2:]
        if not args[0].startswith("-") and args[0] not in self.list_commands(ctx) and not ctx.resilient_parsing:
            ctx.fail(self._unknown(ctx, args[0]))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Writes the table of commands, each with the whole first sentence of its help."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(UNCUT))
                    for name, command in commands
                    if command and not command.hidden
                ]
            )

    def _unknown(self, ctx: "Context", word: str) -> str:
        known = self.list_commands(ctx)
        near = get_close_matches(word, known, n=1)
        hint = f"did you mean `{ctx.command_path} {near[0]}`?" if near else f"there are {', '.join(known)}"
        return f"there is no command `{ctx.command_path} {word}`; {hint}"


class Root(Phrases):
    """The group behind `datamon` itself: knows its words from the table and loads a word's module when it is used."""

    def list_commands(self, ctx: "Context") -> list[str]:  # noqa: ARG002 (the signature is typer's)
        """The words there are."""
        return [word.name for word in words()]

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":  # noqa: ARG002
        """The command or group of a word, None when there is no such word."""
        return next((load(word) for word in words() if word.name == cmd_name), None)

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:  # noqa: ARG002
        """Writes the table of words; loads none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(word.name, word.summary) for word in words()])
