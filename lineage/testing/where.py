"""What a process that was started says of where it runs; its module can be imported by one that was spawned."""

from multiprocessing.queues import SimpleQueue

from datamon.lineage.nesting import Here, here


def tell_where(queue: "SimpleQueue[Here | None]") -> None:
    """Puts the run that this runs inside into `queue`."""
    queue.put(here())
