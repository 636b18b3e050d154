"""Which bundle a command means: by id, by label, by branch, or the head of `main`."""

from dataclasses import dataclass

from datamon.errors import Invalid
from datamon.store.bundle import Bundle, Repo
from datamon.store.opening import Store
from datamon.store.refs import find_ref, live_bundle
from datamon.store.resolve import Reference, find_bundle, resolve


@dataclass(frozen=True, slots=True)
class Selection:
    """What `--bundle`, `--label` and `--branch` say; at most one of them may say something."""

    bundle: str | None = None
    label: str | None = None
    branch: str | None = None

    def __post_init__(self) -> None:
        """Raises Invalid (`usage`) when more than one is given."""
        given = [f"--{name}" for name in ("bundle", "label", "branch") if getattr(self, name) is not None]
        if len(given) > 1:
            raise Invalid("usage", f"{' and '.join(given)} exclude each other; give one of them")


def select_bundle(store: Store, repo: Repo, selection: Selection) -> Bundle:
    """The bundle that is meant. Raises NotFound (`bundle-not-found`, `ref-not-found`), Invalid (`ambiguous-id`, `bad-name`)."""
    if selection.bundle is not None:
        return find_bundle(store, repo, selection.bundle)
    if selection.label is not None:
        ref = find_ref(store, repo, selection.label, "label")
    elif selection.branch is not None:
        ref = find_ref(store, repo, selection.branch, "branch")
    else:
        return resolve(store, Reference(repo.name, None, "")).bundle
    return live_bundle(store.logs.repo(repo.id), repo, ref.bundle)
