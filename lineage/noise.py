"""What lies in a working tree and is never code."""

NOISE = frozenset(
    {".git", ".hg", ".svn", ".venv", ".tox", ".nox", ".eggs", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache"}
    | {".ruff_cache", ".DS_Store", "__pycache__", "node_modules"}
)
"""Files and folders that tools leave."""
