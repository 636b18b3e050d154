"""Commits for tests that are about logs and refs, not about files."""

from datamon.store.bundle import Bundle, Repo
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.ids import BundleId
from datamon.store.manifest import write_manifest
from datamon.store.opening import Store


def commit_nothing(
    store: Store,
    repo: Repo,
    *,
    message: str = "",
    branch: str | None = "main",
    label: str | None = None,
    parents: tuple[BundleId, ...] | None = None,
) -> Bundle:
    """A new bundle of no files."""
    manifest = write_manifest(store.metadata, [])
    request = CommitRequest(manifest, message, session=None, branch=branch, label=label, parents=parents)
    return commit_bundle(store, repo, request)
