"""Runs as a Process Run Crate (w3id.org/ro/wfrun/process/0.5), through the library rocrate: the only module that knows it.

Each run is a CreateAction whose instrument is its step, whose objects are its inputs and params and whose results are its
outputs. A bundle is a Dataset, named by its place in the store or, with contents, a folder of the crate.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datamon.errors import Conflict
from datamon.lineage.interchange.extras import missing
from datamon.lineage.interchange.producer import PRODUCER, VERSION
from datamon.lineage.interchange.story import Story, Telling
from datamon.lineage.param_values import plain
from datamon.lineage.records import InputRecord, OutputRecord
from datamon.store.beneath import writing
from datamon.store.clock import timestamp

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_STATUS = {
    "succeeded": "http://schema.org/CompletedActionStatus",
    "failed": "http://schema.org/FailedActionStatus",
    "abandoned": "http://schema.org/FailedActionStatus",
    "running": "http://schema.org/ActiveActionStatus",
}


def write(telling: Telling, directory: Path, *, with_contents: bool) -> None:
    """The crate is in `directory`, whole or not at all, `with_contents` with the files of every output that is not deleted.
    Raises Conflict (`destination-not-empty`) when something is there, Denied (`unwritable`), Invalid (`missing-extra`), and as
    `download` does."""
    try:
        from rocrate.rocrate import ROCrate  # an optional extra: the library of this format
    except ImportError as error:
        raise missing("ro-crate") from error
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        message = f"{directory} is there and not empty; name a new directory for the crate"
        raise Conflict("destination-not-empty", message, path=str(directory))
    with writing(directory), TemporaryDirectory(dir=directory.absolute().parent, prefix=".crate-") as beside:
        maker = _Maker(telling, ROCrate(), Path(beside) if with_contents else None)
        maker.make()
        maker.crate.write(Path(beside) / "crate")
        if directory.exists():
            directory.rmdir()
        shutil.move(Path(beside) / "crate", directory)


class _Maker:
    """Fills a crate; `contents` is where files are put on their way into it, None where there shall be none."""

    def __init__(self, telling: Telling, crate: Any, contents: Path | None) -> None:
        self.crate = crate
        self._telling = telling
        self._contents = contents
        self._datasets: dict[str, Any] = {}

    def make(self) -> None:
        """The crate tells of every run when this returns."""
        stories = self._telling.stories
        self.crate.name = f"Runs of the datamon store {self._telling.store.id}"
        self.crate.description = ", ".join(dict.fromkeys(story.step for story in stories))
        self.crate.license = "not stated"
        self.crate.datePublished = timestamp(
            max((s.run.ended_ns or s.run.opened.started_ns for s in stories), default=0)
        )
        profile = self._add(PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
        self.crate.root_dataset["conformsTo"] = profile
        actions = [self._action(story) for story in stories]
        self.crate.root_dataset["mentions"] = actions

    def _action(self, story: Story) -> Any:
        run, opened = story.run, story.run.opened
        told: dict[str, Any] = {
            "name": f"{story.step}, run {run.id}",
            "instrument": self._step(story),
            "agent": self._person(opened.author.name, opened.author.email),
            "startTime": timestamp(opened.started_ns),
            "actionStatus": {"@id": _STATUS[run.status]},
            "object": [*map(self._read, run.inputs), *self._params(story)],
        }
        if run.ended_ns is not None:
            told["endTime"] = timestamp(run.ended_ns)
        if run.closed and run.closed.error:
            told["error"] = run.closed.error
        told["result"] = [self._wrote(story, each) for each in run.outputs]
        return self._add(f"#run-{run.id}", "CreateAction", **told)

    def _step(self, story: Story) -> Any:
        opened = story.run.opened
        code = opened.code
        told = {"name": story.step, "description": " ".join(opened.argv) or story.step, "softwareVersion": PRODUCER}
        if code.commit:
            told["version"] = code.commit + ("+dirty" if code.dirty else "")
        elif code.fingerprint:
            told["version"] = code.fingerprint
        if code.remote:
            told["codeRepository"] = code.remote
        told["softwareRequirements"] = f"datamon {VERSION}"
        return self._add(
            f"#step-{opened.pipeline}/{opened.step}/{told.get('version', '')}", "SoftwareApplication", **told
        )

    def _person(self, name: str, email: str) -> Any:
        return self._add(f"#person-{email}", "Person", name=name, email=email)

    def _params(self, story: Story) -> list[Any]:
        run = story.run
        return [
            self._add(f"#param-{run.id}-{each.name}", "PropertyValue", name=each.name, value=plain(each.value))
            for each in run.opened.params
        ]

    def _read(self, each: InputRecord) -> Any:
        return self._dataset(each, None)

    def _wrote(self, story: Story, each: OutputRecord) -> Any:
        from datamon.store.download import download  # brings pyarrow, which a crate of references does not need

        store = self._telling.store
        bundle = story.bundles.get(each.bundle)
        is_there = bundle is not None and bundle.id not in store.logs.repo(each.repo).deleted
        if self._contents is None or bundle is None or not is_there:
            return self._dataset(each, None)
        files = self._contents / "files" / each.bundle
        if not files.exists():
            files.parent.mkdir(exist_ok=True)
            download(store, bundle, files)
        return self._dataset(each, files)

    def _dataset(self, each: InputRecord | OutputRecord, files: Path | None) -> Any:
        if each.bundle not in self._datasets:
            url = f"datamon://{self._telling.store.id}/bundle/{each.repo}/{each.bundle}"
            told = {"name": f"{each.repo_name}@{each.bundle}", "identifier": each.content, "url": url}
            if files is None:
                self._datasets[each.bundle] = self.crate.add_dataset(url, properties=told)
            else:
                self._datasets[each.bundle] = self.crate.add_dataset(files, f"bundles/{each.bundle}", properties=told)
        return self._datasets[each.bundle]

    def _add(self, identifier: str, kind: str, **told: Any) -> Any:
        from rocrate.model.contextentity import ContextEntity

        known = self.crate.dereference(identifier)
        if known is not None:
            return known
        entity = ContextEntity(self.crate, identifier, {"@type": kind})
        self.crate.add(entity)
        for name, value in told.items():
            entity[name] = value
        return entity
