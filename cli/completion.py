"""`datamon completion`: the script that teaches a shell to complete datamon's commands."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # lives there, unexported

from datamon.cli.environment import COMPLETION_VARIABLE
from datamon.cli.output import say

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Shell(StrEnum):
    """The shells whose completion is known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the completion script of a shell; the shell runs it at start.

    \b
    Examples:
      datamon completion bash >> ~/.bashrc
      datamon completion zsh >> ~/.zshrc
      datamon completion fish > ~/.config/fish/completions/datamon.fish
    """
    say(get_completion_script(prog_name="datamon", complete_var=COMPLETION_VARIABLE, shell=shell.value))
