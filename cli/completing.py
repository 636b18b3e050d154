"""What a shell may complete after an option: names that the store has. A store that cannot be asked has none to give."""

from typing import Literal

import typer

from datamon.errors import DatamonError

RefKind = Literal["label", "branch"]


def repo_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The repos whose names begin with `incomplete`."""
    from datamon.cli.opening import (
        open_for_completion,  # pydantic, YAML and the store, which only a shell that asks pays
    )
    from datamon.store.repos import list_repos

    try:
        store = open_for_completion(ctx)
        return [repo.name for repo in list_repos(store) if repo.name.startswith(incomplete)] if store else []
    except DatamonError:
        return []


def label_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The labels that begin with `incomplete`, of the repo that the line names."""
    return _ref_names(ctx, "label", incomplete)


def branch_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The branches that begin with `incomplete`, of the repo that the line names."""
    return _ref_names(ctx, "branch", incomplete)


def _ref_names(ctx: typer.Context, kind: RefKind, incomplete: str) -> list[str]:
    from datamon.cli.opening import open_for_completion  # as above
    from datamon.store.refs import list_refs
    from datamon.store.repos import find_repo

    try:
        store = open_for_completion(ctx)
        if store is None or not ctx.params.get("repo"):
            return []
        refs = list_refs(store, find_repo(store, ctx.params["repo"]), kind)
        return [ref.name for ref in refs if ref.name.startswith(incomplete)]
    except DatamonError:
        return []
