"""Who tells: this datamon, by its version."""

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("datamon")
    except PackageNotFoundError:  # run from its sources
        return "unreleased"


VERSION = _installed()
PRODUCER = f"https://pypi.org/project/datamon/{VERSION}"
"""A URI, as OpenLineage and in-toto want one."""
