"""The facts that the index, the store and the working tree give are those that staleness is defined over."""

import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from datamon.lineage.capture.git import capture_git
from datamon.lineage.facts import Facts, Stale, Subject
from datamon.lineage.fingerprint import fingerprint_script
from datamon.lineage.param_values import plain
from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import CodeVersion, EnvironmentPart, Param, PlannedOutput
from datamon.lineage.ref_moves import Target
from datamon.lineage.staleness import stale
from datamon.lineage.testing.histories import WHOLE, Case, content_of, read_cases, split_reference
from datamon.query.facts import gather_facts
from datamon.query.index import open_index
from datamon.query.place import NOWHERE, Place
from datamon.query.testing.worlds import Doing, World
from datamon.store import layout
from datamon.store.bundle import Bundle, Move
from datamon.store.opening import Store, memory_store
from datamon.store.refs import delete_label, set_label
from datamon.store.repos import create_repo
from datamon.store.resolve import resolve
from datamon.store.testing.clocks import SteppingClock
from datamon.store.upload import UploadRequest, upload

NOT_RECORDED_YET = {"observed", "absent", "imported", "started", "lose"}
CASES = [
    case
    for case in read_cases(Path(__file__).parent / "cases" / "stale")
    if not NOT_RECORDED_YET & {word for event in case.history for word in event}
]


def facts_of(store: Store, place: Place = NOWHERE, asked: tuple[str, ...] = ()) -> Facts:
    """The facts of a store through an index of its own."""
    with open_index(store).connect() as connection:
        return gather_facts(store, connection, place, asked=asked)


class Performed(World):
    """A worked example, performed on a store; `names` gives the example's names of bundles and contents."""

    def __init__(self, case: Case) -> None:
        super().__init__(memory_store(clock=SteppingClock()))
        self.case = case
        self.names: dict[str | None, str] = {}
        self.bundles: dict[str, Bundle] = {}
        self.counts: Counter[str] = Counter()
        for event in case.history:
            self.perform(event)

    def perform(self, event: Mapping[str, Any]) -> None:
        """Does what one event says."""
        if "commit" in event:
            for place, files in event["commit"].items():
                repo, branch, _ = split_reference(place)
                self.known(repo, files, self.upload(repo, _files(files), branch=branch))
        elif "run" in event:
            self.performed_run(event)
        elif "delete" in event:
            gone = self.bundles[event["delete"]]
            self.store.logs.append(gone.repo, lambda _: {"kind": "delete", "bundles": [gone.id], "reason": "case"})
        else:
            self.point(event)

    def point(self, event: Mapping[str, Any]) -> None:
        """Sets a label, moves a branch, or deletes a ref."""
        if "unref" in event:
            name, ref, _ = split_reference(event["unref"])
            standing = self.store.logs.repo(self.repos[name].id).refs[ref]
            if standing.kind == "label":
                delete_label(self.store, self.repos[name], ref)
            else:
                self.move(name, Move(ref, "branch", standing.bundle, None))
        for place, source in event.get("label", event.get("move", {})).items():
            name, ref, _ = split_reference(place)
            bundle = resolve(self.store, self.real(source)).bundle.id
            if "label" in event:
                set_label(self.store, self.repos[name], ref, bundle, frozen=event.get("frozen", False))
                continue
            before = self.store.logs.repo(self.repos[name].id).refs.get(ref)
            self.move(name, Move(ref, "branch", before.bundle if before else None, bundle))

    def move(self, repo: str, move: Move) -> None:
        record = {"kind": "move", "moves": [move.to_record()], "run": None}
        self.store.logs.append(self.repos[repo].id, lambda _: record)

    def performed_run(self, event: Mapping[str, Any]) -> None:
        """Records the run of an event."""
        pipeline, slash, step = event["run"].partition("/")
        sources = (("params", "explicit"), ("from_file", "file"), ("defaults", "default"))
        doing = Doing(
            step=step if slash else pipeline,
            pipeline=pipeline if slash else "default",
            reads=tuple(self.real(each) for each in event.get("reads", ())),
            writes={place: _files(files) for place, files in event.get("writes", {}).items()},
            status=event.get("status", "succeeded"),
            fingerprint=event.get("code", "f1"),
            params=tuple(
                Param(name, value, source)  # type: ignore[arg-type]
                for word, source in sources
                for name, value in event.get(word, {}).items()
            ),
            policy=tuple(
                EnvironmentPart(name, None if value == "gone" else value)
                for name, value in event.get("environment", {}).items()
            ),
        )
        did = self.run(doing)
        for output in did.outputs:
            bundle = self.store.logs.repo(output.repo).bundles[output.bundle]
            self.known(output.repo_name, event["writes"][output.role], bundle)

    def real(self, reference: str) -> str:
        """A reference of the example as the store knows it."""
        repo, name, path = split_reference(reference)
        name = self.bundles[name].id if name in self.bundles else name
        return f"{repo}@{name}" + (f":{path}" if path else "")

    def known(self, repo: str, files: Any, bundle: Bundle) -> None:
        """Notes what the example calls a bundle and its contents."""
        self.counts[repo] += 1
        name = f"{repo}.{self.counts[repo]}"
        self.bundles[name] = bundle
        self.names |= {bundle.id: name, bundle.content: str(content_of(files))}
        self.names |= {blake3(letter.encode()).hexdigest(): letter for letter in _files(files).values()}

    def subjects(self) -> list[Subject] | None:
        """What the example asks for; None when it asks for everything."""
        if self.case.of is None:
            return None
        repo, name, _ = split_reference(self.case.of)
        ref = self.store.logs.repo(self.repos[repo].id).refs.get(name)
        return [Subject(ref.bundle, f"{repo}@{name}") if ref else Subject(self.bundles[name].id, None)]

    def translated(self, row: Stale) -> Stale:
        """A row in the example's words."""
        words = {name: getattr(row, name) for name in ("output", "subject", "old", "new")}
        return replace(row, **{name: self.names.get(word, word) for name, word in words.items()})


def _files(files: Mapping[str, str] | str) -> Mapping[str, str]:
    return {WHOLE: files} if isinstance(files, str) else files


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_worked_example_that_is_really_recorded_gives_its_rows(case: Case) -> None:
    world = Performed(case)
    subjects = world.subjects()
    facts = facts_of(world.store, asked=tuple(each.bundle for each in subjects or ()))
    code, params, parts = (case.now.get(word, {}) for word in ("code", "params", "environment"))
    facts = replace(
        facts,
        code_now={run.id: code[run.step] for run in facts.runs if run.step in code},
        params_now={
            (run.id, name): None if value == "gone" else plain(value)
            for run in facts.runs
            for name, value in params.get(run.step, {}).items()
        },
        environment_now={
            (run.id, name): None if value == "gone" else value
            for run in facts.runs
            for name, value in parts.get(run.step, {}).items()
        },
    )
    rows = stale(facts, subjects, frozen=case.frozen)
    assert frozenset(map(world.translated, rows)) == case.expected


def test_most_worked_examples_are_performed() -> None:
    assert len(CASES) >= 25


def test_a_bundle_whose_pack_is_gone_is_missing_and_no_other(store: Store, tmp_path: Path) -> None:
    create_repo(store, "raw", "")
    bundles, packs = [], []
    for name in ("lost", "kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name * 100)
        bundles.append(upload(store, UploadRequest("raw", tmp_path / name, "m", branch=name)))
        packs.append([stored.key for stored in store.blob.list(layout.PACKS)])
    assert facts_of(store).missing == frozenset()
    for key in packs[0]:
        store.blob.delete(key)
    assert facts_of(store).missing == {bundles[0].id}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with a script and its parameters."""
    top = tmp_path / "project"
    top.mkdir()
    (top / "train.py").write_text("print('hello')\n")
    (top / "params.yaml").write_text("scale: 2\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *who, *words], cwd=top, check=True)
    return top


def record_training(store: Store, project: Path) -> None:
    """A run of the project's script that reads its parameter from the file."""
    repo = create_repo(store, "model", "")
    state, taken = capture_git(project), fingerprint_script(project / "train.py", project)
    assert state is not None
    code = CodeVersion(
        root=state.root,
        host_path=str(project),
        commit=state.commit,
        fingerprint=taken.digest,
        method=taken.method,
        paths=taken.paths,
    )
    target = Target(PlannedOutput("model", repo.id, "model", "main"), repo)
    params = (Param("scale", 2, "file", "params.yaml", "scale"),)
    intent = RunIntent("default", "train", "command", ("python", "train.py"), ".", code, params, targets=(target,))
    (project.parent / "out").mkdir()
    (project.parent / "out" / "model.bin").write_bytes(b"2")
    with Recording.open(store, intent, Policy()) as recording:
        recording.commit_output(target, project.parent / "out")
        recording.end(Ending("succeeded", exit_code=0))


def causes(store: Store, place: Place) -> list[tuple[str, str]]:
    """Causes and subjects of what is stale."""
    return [(row.cause, row.subject) for row in stale(facts_of(store, place))]


def test_now_is_the_working_tree_that_the_question_is_asked_in(store: Store, project: Path) -> None:
    record_training(store, project)
    here = Place(project, "anywhere")
    assert causes(store, here) == []
    (project / "train.py").write_text("print('bye')\n")
    (project / "params.yaml").write_text("scale: 3\n")
    assert causes(store, here) == [("code", "default/train"), ("param", "scale")]
    assert causes(store, NOWHERE) == []
    (project / "train.py").write_text("# a comment\nprint( 'hello' )\n")
    assert causes(store, here) == [("param", "scale")]
