"""What a connection to an index may do: read it, for so long, with so much memory, and nothing else."""

DEFAULT_LIMIT_S = 60.0
MEMORY_LIMIT = "4GB"
"""What one connection may take; a statement that wants more is stopped."""
SEALED: "dict[str, str | bool | int | float | list[str]]" = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": MEMORY_LIMIT,
}
MOST_ROWS = 1_000_000
"""How many rows of a SELECT are given at most."""


BAR = "SELECT current_setting('enable_progress_bar')"
"""DuckDB draws a bar of its own in notebooks and where Python is asked line by line."""
NO_BAR = "SET enable_progress_bar = false"
"""Where it draws none: in a notebook without ipywidgets this is an error."""


def locked(limit_s: float) -> tuple[str, str]:
    """The statements after which each statement stops after so many seconds, and none changes a setting any more."""
    return f"SET max_execution_time = {max(1, round(limit_s * 1000))}", "SET lock_configuration = true"
