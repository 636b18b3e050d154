"""Worked examples of staleness: a history written as a few events, the facts that follow from it, and the rows expected.

The events are described beside the examples, in `tests/query/cases/stale/README.md`. `facts_of` performs a history on plain
records; a test of another engine performs the same events in its own world and must come to the same rows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import yaml

from datamon.lineage.facts import (
    BundleFact,
    EnvironmentFact,
    Facts,
    InputFact,
    OutputFact,
    ParamFact,
    Part,
    RefFact,
    RunFact,
    SlotOrder,
    Stale,
    Subject,
    at_end,
    at_position,
)
from datamon.lineage.param_values import plain
from datamon.lineage.records import InputRefKind, ParamSource, Status
from datamon.store.bundle import RefKind

Event = Mapping[str, Any]
Files = Mapping[str, str]
"""A bundle's files, each with a letter for what it holds."""
WHOLE = "part"
"""The path of the one file of a bundle whose content is given as a letter."""


@dataclass(frozen=True)
class Case:
    """One worked example. `law` is the sentence that it shows."""

    name: str
    law: str
    history: tuple[Event, ...]
    expected: frozenset[Stale]
    now: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    of: str | None = None
    frozen: bool = False


def read_cases(directory: Path) -> list[Case]:
    """The cases of every `.yaml` file in `directory`, in order."""
    return [
        _case(each) for path in sorted(directory.glob("*.yaml")) for each in yaml.safe_load(path.read_text("utf-8"))
    ]


def _case(record: Mapping[str, Any]) -> Case:
    ask = record.get("ask", {})
    return Case(
        name=record["name"],
        law=record["law"],
        history=tuple(record["history"]),
        expected=frozenset(
            Stale(**{"via": None, "distance": 0, "last_status": "succeeded", **row}) for row in record["stale"]
        ),
        now=record.get("now", {}),
        of=ask.get("of"),
        frozen=ask.get("frozen", False),
    )


def content_of(files: Files | str, path: str = "") -> str | None:
    """The content of a bundle, or of one of its files, as the cases write it."""
    if isinstance(files, str):
        return files if path in ("", WHOLE) else None
    return files.get(path) if path else " ".join(f"{name}={letter}" for name, letter in sorted(files.items()))


def split_reference(text: str) -> tuple[str, str, str]:
    """Repo, ref and path of `repo[@ref][:path]`; the ref is `main` unless said, and the bundle's name for `repo.1`.

    >>> split_reference("raw:people"), split_reference("raw.2")
    (('raw', 'main', 'people'), ('raw', 'raw.2', ''))
    """
    head, _, path = text.partition(":")
    repo, at, ref = head.partition("@")
    if at:
        return repo, ref, path
    base, dot, _ = repo.partition(".")
    return (base, repo, path) if dot else (repo, "main", path)


def facts_of(case: Case) -> Facts:
    """The facts that the case's history and its `now` come to."""
    world = _World()
    for number, event in enumerate(case.history, start=1):
        world.perform(number, event)
    return world.facts(case.now)


def subjects_in(case: Case, facts: Facts) -> list[Subject] | None:
    """What the case asks for; None when it asks for everything."""
    if case.of is None:
        return None
    repo, name, _ = split_reference(case.of)
    ref = next((each for each in facts.refs if (each.repo, each.name) == (repo, name)), None)
    return [Subject(ref.bundle, ref.reference) if ref else Subject(name, None)]


class _World:
    """Repos, refs and runs as far as a history has gone."""

    def __init__(self) -> None:
        self.files: dict[str, Files | str] = {}
        self.bundles: list[BundleFact] = []
        self.refs: dict[tuple[str, str], RefFact] = {}
        self.runs: list[RunFact] = []
        self.trails: dict[tuple[str, str], list[str]] = {}
        self.counts: Counter[str] = Counter()
        self.missing: set[str] = set()

    def perform(self, number: int, event: Event) -> None:
        """Does what one event says."""
        if "commit" in event:
            for place, files in event["commit"].items():
                repo, branch, _ = split_reference(place)
                self._commit(repo, branch, files, None)
        elif "run" in event:
            self._run(number, event)
        elif "label" in event or "move" in event:
            kind: RefKind = "label" if "label" in event else "branch"
            for place, source in event.get("label", event.get("move")).items():
                repo, name, _ = split_reference(place)
                self._point(RefFact(repo, name, kind, self._resolve(source)[0], event.get("frozen", False)))
        elif "unref" in event:
            repo, name, _ = split_reference(event["unref"])
            del self.refs[repo, name]
        else:
            self.missing.add(event["delete"] if "delete" in event else event["lose"])

    def _commit(self, repo: str, branch: str, files: Files | str, run: str | None) -> str:
        self.counts[repo] += 1
        bundle = f"{repo}.{self.counts[repo]}"
        self.files[bundle] = files
        self.bundles.append(BundleFact(bundle, repo, str(content_of(files)), run))
        self._point(RefFact(repo, branch, "branch", bundle))
        return bundle

    def _point(self, ref: RefFact) -> None:
        self.refs[ref.repo, ref.name] = ref
        self.trails.setdefault((ref.repo, ref.name), []).append(ref.bundle)

    def _resolve(self, reference: str) -> tuple[str, str, InputRefKind]:
        """The bundle that a reference gives, the ref as it is recorded, and its kind."""
        repo, name, _ = split_reference(reference)
        if name in self.files:
            return name, name, "id"
        branch, tilde, back = name.partition("~")
        if tilde:
            return self.trails[repo, branch][-1 - int(back)], name, "ancestor"
        ref = self.refs[repo, name]
        return ref.bundle, name, ref.kind

    def _run(self, number: int, event: Event) -> None:
        pipeline, slash, step = event["run"].partition("/")
        run = f"run-{number}"
        status: Status = event.get("status", "succeeded")
        inputs = tuple(self._read(reference, event) for reference in event.get("reads", ()))
        outputs = tuple(self._write(run, status, event, place) for place in event.get("writes", {}))
        self.runs.append(
            RunFact(
                id=run,
                pipeline=pipeline if slash else "default",
                step=step if slash else pipeline,
                status=status,
                started_ns=event.get("started", number),
                fingerprint=event.get("code", "f1"),
                inputs=inputs,
                outputs=outputs,
                params=tuple(_params(event)),
                environment=tuple(
                    EnvironmentFact(name, _named_part(value)) for name, value in event.get("environment", {}).items()
                ),
            )
        )

    def _read(self, reference: str, event: Event) -> InputFact:
        repo, _, path = split_reference(reference)
        bundle, ref, kind = self._resolve(reference)
        paths = event.get("observed", {}).get(reference, [path])
        parts = tuple(Part(each, str(content_of(self.files[bundle], each))) for each in paths)
        absent = tuple(event.get("absent", {}).get(reference, ()))
        return InputFact(repo, repo, ref, kind, bundle, parts, absent)

    def _write(self, run: str, status: Status, event: Event, place: str) -> OutputFact:
        repo, branch, _ = split_reference(place)
        if status != "succeeded":
            return OutputFact(repo, repo, branch)
        bundle = self._commit(repo, branch, event["writes"][place], run)
        order: SlotOrder = at_position(self.counts[repo])
        if "imported" in event:
            order = at_end(event["imported"], run)
        return OutputFact(repo, repo, branch, bundle, order)

    def facts(self, now: Mapping[str, Mapping[str, Any]]) -> Facts:
        """All of it as plain records, with what the working tree says."""
        reads = [read for run in self.runs for read in run.inputs]
        paths = {(read.repo, read.ref, part.path) for read in reads for part in read.parts}
        paths |= {(read.repo, read.ref, path) for read in reads for path in read.absent}
        contents: dict[tuple[str, str], str] = {}
        for repo, name, path in paths:
            ref = self.refs.get((repo, name or ""))
            content = content_of(self.files[ref.bundle], path) if ref else None
            if ref is not None and path and content is not None:
                contents[ref.bundle, path] = content
        code, params, environment = now.get("code", {}), now.get("params", {}), now.get("environment", {})
        return Facts(
            runs=tuple(self.runs),
            bundles=tuple(self.bundles),
            refs=tuple(self.refs.values()),
            contents=contents,
            code_now={run.id: code[run.step] for run in self.runs if run.step in code},
            params_now={
                (run.id, name): None if value == "gone" else plain(value)
                for run in self.runs
                for name, value in params.get(run.step, {}).items()
            },
            environment_now={
                (run.id, name): _named_part(value)
                for run in self.runs
                for name, value in environment.get(run.step, {}).items()
            },
            missing=frozenset(self.missing),
        )


def _named_part(value: str) -> str | None:
    return None if value == "gone" else value


def _params(event: Event) -> Iterator[ParamFact]:
    for word, source in (("params", "explicit"), ("from_file", "file"), ("defaults", "default")):
        for name, value in event.get(word, {}).items():
            yield ParamFact(name, plain(value), cast(ParamSource, source))


def reordered(facts: Facts, order: Mapping[str, int]) -> Facts:
    """The same facts with their lists sorted by `order`, which gives a number for the id of a run, bundle or ref."""
    return replace(
        facts,
        runs=tuple(sorted(facts.runs, key=lambda each: order.get(each.id, 0))),
        bundles=tuple(sorted(facts.bundles, key=lambda each: order.get(each.id, 0))),
        refs=tuple(sorted(facts.refs, key=lambda each: order.get(each.reference, 0))),
    )
