"""What `walks.py` has another Python do: the edges go into ml-metadata, and for each line of stdin the closure is walked once."""

import csv
import sys
from collections.abc import Callable
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

AT_ONCE = 5_000


def main(edges_file: str, database: str, start: str) -> None:
    """Writes the number of nodes of each closure."""
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = database
    config.sqlite.connection_mode = 3  # made when it is not there
    store = metadata_store.MetadataStore(config)
    artifact = store.put_artifact_type(mlmd.ArtifactType(name="bundle"))
    execution = store.put_execution_type(mlmd.ExecutionType(name="run"))
    with open(edges_file, newline="") as file:
        edges = [(source, target, read == "1") for source, target, read in csv.reader(file)]
    runs = sorted({target if read else source for source, target, read in edges})
    bundles = sorted({source if read else target for source, target, read in edges})
    artifacts = [mlmd.Artifact(type_id=artifact, name=n) for n in bundles]
    numbers = dict(zip(bundles, put(store.put_artifacts, artifacts), strict=True))
    numbers |= dict(
        zip(runs, put(store.put_executions, [mlmd.Execution(type_id=execution, name=n) for n in runs]), strict=True)
    )
    events = [event(source, target, read, numbers) for source, target, read in edges]
    for begin in range(0, len(events), AT_ONCE):
        store.put_events(events[begin : begin + AT_ONCE])
    asked = mlmd.LineageSubgraphQueryOptions(max_num_hops=100, direction=mlmd.LineageSubgraphQueryOptions.UPSTREAM)
    asked.starting_artifacts.filter_query = f"id = {numbers[start]}"
    for _ in sys.stdin:
        found = store.get_lineage_subgraph(asked)
        print(len(found.artifacts) + len(found.executions) - 1, flush=True)


def put(how: Callable[[list[Any]], list[int]], nodes: list[Any]) -> list[int]:
    """The numbers that they get."""
    return [number for begin in range(0, len(nodes), AT_ONCE) for number in how(nodes[begin : begin + AT_ONCE])]


def event(source: str, target: str, read: bool, numbers: dict[str, int]) -> Any:
    """A read, or a write."""
    if read:
        return mlmd.Event(artifact_id=numbers[source], execution_id=numbers[target], type=mlmd.Event.INPUT)
    return mlmd.Event(artifact_id=numbers[target], execution_id=numbers[source], type=mlmd.Event.OUTPUT)


if __name__ == "__main__":
    main(*sys.argv[1:])
