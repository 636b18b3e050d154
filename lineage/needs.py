"""What runs that have not ended in full still need of a store's bundles."""

from datamon.lineage.unfinished import marked_runs, unfinished_runs
from datamon.store.opening import Store
from datamon.store.retention.needs import Needs


def find_needs(store: Store) -> Needs:
    """What runs need that are open now, or have closed and are still to move their refs: their code, what they read, what they
    committed, what their refs are to point at. Where no run is marked as open, costs one
    listing. Raises Unavailable, Denied, Corrupt.

    A run is marked before it commits anything and until its refs have moved.
    """
    marked = frozenset(marked_runs(store))
    if not marked:
        return Needs()
    recorded = {run: whole for run, whole in unfinished_runs(store).items() if run in marked}
    waiting = [run for run in recorded.values() if run.status != "abandoned"]
    bundles = [read.bundle for run in waiting for read in run.inputs]
    bundles += [run.opened.code.bundle for run in waiting if run.opened.code.bundle]
    bundles += [output.bundle for run in waiting for output in run.outputs]
    bundles += [move.new for run in waiting if run.closed for move in run.closed.moves]
    abandoned = recorded.keys() - {run.id for run in waiting}
    return Needs(frozenset(bundles), marked - abandoned)
