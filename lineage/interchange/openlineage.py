"""Runs as OpenLineage events, made and sent by openlineage-python (openlineage.io): the only module that knows it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamon.errors import Unavailable
from datamon.lineage.interchange.extras import missing
from datamon.lineage.interchange.files import whole
from datamon.lineage.interchange.openlineage_names import namespace_of, uuid_of
from datamon.lineage.interchange.parquet_schema import Field, schema_of
from datamon.lineage.interchange.producer import PRODUCER, VERSION
from datamon.lineage.interchange.story import Story, Telling
from datamon.lineage.param_values import plain
from datamon.lineage.records import InputRecord, OutputRecord, Run, RunOpened
from datamon.store.clock import timestamp

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

_SCHEMA = "https://pypi.org/project/datamon/openlineage"
_TIMEOUT_S = 30.0
_ENDS = {"succeeded": "COMPLETE", "failed": "FAIL", "abandoned": "ABORT"}
Facets = dict[str, Any]


def lines(telling: Telling) -> Iterator[bytes]:
    """Every event as a line of JSON, in the order in which they happened to each run."""
    _check_there()
    from openlineage.client.serde import Serde

    for event in events(telling):
        yield Serde.to_json(event).encode() + b"\n"


def write(telling: Telling, file: Path) -> None:
    """The events are in `file`, a line each, whole or not at all, through the client's own file transport. Raises as `whole`,
    Invalid (`missing-extra`)."""
    _check_there()
    from openlineage.client.transport.file import FileConfig, FileTransport

    with whole(file) as partial:
        transport = FileTransport(FileConfig(str(partial), append=True))
        for event in events(telling):
            transport.emit(event)


def send(telling: Telling, url: str, api_key: str | None) -> int:
    """Every event was taken by the OpenLineage server at `url` when this returns their number, through the client's own HTTP
    transport; the server was given `api_key` where there is one. Raises Unavailable (`source-unavailable`), which says how many
    were taken: sending all again is harmless, as each says the same."""
    _check_there()
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport

    config = HttpConfig.from_dict({"url": url, "timeout": _TIMEOUT_S})
    if api_key:
        config.auth = ApiKeyTokenProvider({"apiKey": api_key})
    transport = HttpTransport(config)
    sent = 0
    try:
        for event in events(telling):
            transport.emit(event)
            sent += 1
    except Exception as error:
        raise Unavailable(
            "source-unavailable",
            f"{url} did not take event {sent + 1}, after {sent} that it took ({error}); try again: it may be sent twice",
            url=url,
            sent=sent,
        ) from error
    finally:
        transport.close()
    return sent


def events(telling: Telling) -> "Iterator[RunEvent]":
    """START of each run and, where it has ended, COMPLETE, FAIL or ABORT. Raises Invalid (`missing-extra`)."""
    _check_there()
    from openlineage.client import event_v2 as words

    for story in telling.stories:
        teller = _Teller(telling, story)
        yield teller.event(words.RunState.START, story.run.opened.started_ns)
        ended_ns = story.run.ended_ns
        if ended_ns is not None:
            yield teller.event(words.RunState(_ENDS[story.run.status]), ended_ns)


def _check_there() -> None:
    """Every import of it stands in a function, since it is an optional extra."""
    try:
        import openlineage.client.event_v2  # noqa: F401 (only whether it is there is asked)
    except ImportError as error:
        raise missing("openlineage") from error


class _Teller:
    """Tells of one run."""

    def __init__(self, telling: Telling, story: Story) -> None:
        self._store = telling.store
        self._story = story
        self._schemas: dict[str, list[Field]] = {}

    def event(self, state: Any, time_ns: int) -> "RunEvent":
        from openlineage.client import event_v2 as words

        run, opened = self._story.run, self._story.run.opened
        is_end = state is not words.RunState.START
        namespace, name = job_of(self._store.id, opened)
        return words.RunEvent(
            eventTime=timestamp(time_ns),
            eventType=state,
            producer=PRODUCER,
            run=words.Run(_uuid(self._store.id, run), self._run_facets(is_end)),
            job=words.Job(namespace, name, self._job_facets()),
            inputs=[words.InputDataset(*self._dataset(each), facets=self._facets(each)) for each in run.inputs],
            outputs=[
                words.OutputDataset(*self._dataset(each), facets=self._facets(each), outputFacets=self._written(each))
                for each in run.outputs
            ]
            if is_end
            else [],
        )

    def _run_facets(self, is_end: bool) -> Facets:
        from openlineage.client.generated import (
            environment_variables_run,
            error_message_run,
            execution_parameters_run,
            nominal_time_run,
            processing_engine_run,
        )

        run, opened = self._story.run, self._story.run.opened
        ended = timestamp(run.ended_ns) if is_end and run.ended_ns is not None else None
        facets: Facets = dict(self._foreign("run_facets"))
        facets["datamon_run"] = self._own("DatamonRunFacet", self._recorded(is_end))
        if "nominalTime" not in facets:
            facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(
                timestamp(opened.started_ns), ended, producer=PRODUCER
            )
        if "processing_engine" not in facets:
            facets["processing_engine"] = processing_engine_run.ProcessingEngineRunFacet(
                VERSION, "datamon", VERSION, producer=PRODUCER
            )
        if opened.params:
            parameters = [
                execution_parameters_run.ExecutionParameter(each.name, each.name, value=plain(each.value))
                for each in opened.params
            ]
            facets["executionParameters"] = execution_parameters_run.ExecutionParametersRunFacet(
                parameters, producer=PRODUCER
            )
        environment = self._story.environment
        if environment and environment.variables:
            variables = [
                environment_variables_run.EnvironmentVariable(name, value)
                for name, value in sorted(environment.variables.items())
            ]
            facets["environmentVariables"] = environment_variables_run.EnvironmentVariablesRunFacet(
                variables, producer=PRODUCER
            )
        if is_end and run.closed and run.status == "failed":
            said = run.closed.error or f"exit code {run.closed.exit_code}"
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(said, "unknown", producer=PRODUCER)
        if self._story.parent is not None:
            facets["parent"] = self._parent(self._story.parent)
        return facets

    def _recorded(self, is_end: bool) -> Facets:
        """What only datamon knows of the run, in its own facet."""
        run, opened, environment = self._story.run, self._story.run.opened, self._story.environment
        told: Facets = {
            "store": self._store.id,
            "run": run.id,
            "status": run.status if is_end else "running",
            "pipeline": opened.pipeline,
            "step": opened.step,
            "argv": list(opened.argv),
            "cwd": opened.cwd,
            "host": opened.host.name,
            "author": opened.author.to_record(),
            "how": opened.how,
            "code": opened.code.to_record(),
            "labels": list(opened.labels),
        }
        if environment:
            told |= {"python": environment.python, "platform": environment.platform, "packages": environment.packages}
        if is_end and run.closed:
            told["exit_code"] = run.closed.exit_code
            told["metrics"] = [metric.to_record() for metric in run.closed.metrics]
        return told

    def _parent(self, parent: Run) -> Any:
        from openlineage.client.generated import parent_run

        return parent_run.ParentRunFacet(
            parent_run.Run(_uuid(self._store.id, parent)),
            parent_run.Job(*job_of(self._store.id, parent.opened)),
            producer=PRODUCER,
        )

    def _job_facets(self) -> Facets:
        from openlineage.client.generated import job_type_job, source_code_location_job

        opened = self._story.run.opened
        code = opened.code
        facets: Facets = dict(self._foreign("job_facets"))
        if "jobType" not in facets:
            facets["jobType"] = job_type_job.JobTypeJobFacet("BATCH", "DATAMON", opened.how.upper(), producer=PRODUCER)
        if code.commit and (code.remote or code.host_path):
            facets["sourceCodeLocation"] = source_code_location_job.SourceCodeLocationJobFacet(
                type="git",
                url=_location(code.remote, code.host_path),
                repoUrl=code.remote,
                path=code.paths[0] if code.paths else None,
                version=code.commit + ("+dirty" if code.dirty else ""),
                producer=PRODUCER,
            )
        return facets

    def _dataset(self, each: InputRecord | OutputRecord) -> tuple[str, str]:
        """Its namespace and name: those that it came with, or those that it has as a repo of this store."""
        for dataset in (self._story.run.opened.foreign or {}).get("datasets", ()):
            if dataset["bundle"] == each.bundle:
                return dataset["namespace"], dataset["name"]
        return namespace_of(self._store.id), each.repo_name

    def _facets(self, each: InputRecord | OutputRecord) -> Facets:
        from openlineage.client.generated import dataset_version_dataset, schema_dataset, storage_dataset

        bundle = self._story.bundles.get(each.bundle)
        fields = schema_of(self._store, bundle) if bundle else []
        facets: Facets = {
            "version": dataset_version_dataset.DatasetVersionDatasetFacet(each.bundle, producer=PRODUCER),
            "storage": storage_dataset.StorageDatasetFacet("datamon", "parquet" if fields else None, producer=PRODUCER),
            "datamon_bundle": self._own("DatamonBundleDatasetFacet", {"store": self._store.id, **each.to_record()}),
        }
        if fields:
            columns = [schema_dataset.SchemaDatasetFacetFields(name, kind) for name, kind in fields]
            facets["schema"] = schema_dataset.SchemaDatasetFacet(columns, producer=PRODUCER)
        return facets

    def _written(self, each: OutputRecord) -> Facets:
        from openlineage.client.generated import output_statistics_output_dataset

        bundle = self._story.bundles.get(each.bundle)
        if bundle is None:
            return {}
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            size=bundle.size_bytes, producer=PRODUCER
        )
        return {"outputStatistics": statistics}

    def _own(self, name: str, told: Facets) -> Facets:
        return {"_producer": PRODUCER, "_schemaURL": f"{_SCHEMA}#{name}", **json.loads(json.dumps(told))}

    def _foreign(self, key: str) -> Facets:
        """The facets that an imported run came with."""
        facets: Facets = (self._story.run.opened.foreign or {}).get(key, {})
        return {name: facet for name, facet in facets.items() if not name.startswith("datamon_")}


def job_of(store: str, opened: RunOpened) -> tuple[str, str]:
    """The namespace and the name of a run's job: those that it was imported with, or its pipeline and step."""
    foreign = opened.foreign
    if foreign is not None:
        return foreign["namespace"], foreign["name"]
    return namespace_of(store), f"{opened.pipeline}.{opened.step}"


def _uuid(store: str, run: Run) -> str:
    foreign = run.opened.foreign
    return str(foreign["run"]) if foreign is not None else str(uuid_of(store, run.id))


def _location(remote: str | None, host_path: str | None) -> str:
    if remote and "://" in remote:
        return remote
    if remote and ":" in remote:  # git's short form: user@host:path
        host, _, path = remote.partition(":")
        return f"ssh://{host}/{path}"
    return Path(remote or host_path or "/").absolute().as_uri()
