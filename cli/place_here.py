"""What `now` means for a question that is asked in this process."""

from datamon.cli.environment import process_environment, working_directory
from datamon.lineage.capture.host import capture_host
from datamon.lineage.known_texts import known_texts
from datamon.query.place import Place
from datamon.store.opening import Store


def place_here(store: Store) -> Place:
    """This working directory, on this host."""
    return Place(working_directory(), capture_host().name, known_texts(store), process_environment())
