"""Whether an earlier command left runs for a later one to finish: asked by every command, and mostly answered by no."""

from datamon.store import layout
from datamon.store.backend import Noting
from datamon.store.machine import boot_here
from datamon.store.opening import Store

LOOKED_FILE = "looked-after-boot"
"""Below a store's state folder: after which start of the machine marks were last looked for that were lost with the power."""


def nothing_pending(store: Store) -> bool:
    """Whether `finish_pending` would find nothing to do: no run is marked as open, and marks that were lost with the power were
    looked for since the machine started. One listing. Raises Unavailable, Denied."""
    if store.state_dir is not None and isinstance(store.metadata, Noting):
        try:
            if (store.state_dir / LOOKED_FILE).read_text() != boot_here():
                return False
        except OSError:
            return False
    return next(iter(store.metadata.list(layout.OPEN_RUNS)), None) is None
