"""`%load_ext datamon`."""

from datamon.errors import Invalid


def load(shell: object) -> None:
    """The shell has datamon's magics and completions when this returns. Raises Invalid (`missing-extra`)."""
    try:
        from datamon.cli.notebook.magics import register  # IPython is an optional extra
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "IPython":
            raise
        said = "IPython is not installed; `pip install 'datamon[jupyter]'` adds it"
        raise Invalid("missing-extra", said, extra="jupyter") from error
    register(shell)
