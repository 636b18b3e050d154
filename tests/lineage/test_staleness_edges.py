"""Staleness where the facts say little: parts that need no content, subjects that nobody knows, long chains."""

from datamon.lineage.facts import (
    BundleFact,
    Facts,
    InputFact,
    OutputFact,
    Part,
    RefFact,
    RunFact,
    Subject,
    at_end,
    at_position,
)
from datamon.lineage.staleness import stale


def reading(bundle: str, *parts: Part) -> RunFact:
    read = InputFact("raw", "raw", "main", "branch", bundle, parts)
    output = OutputFact("features", "features", "main", "features.1", at_position(1))
    return RunFact("run", "default", "prepare", "succeeded", 1, "f1", (read,), (output,))


def facts(*runs: RunFact) -> Facts:
    return Facts(
        runs=runs,
        bundles=(BundleFact("raw.1", "raw", "a"), BundleFact("features.1", "features", "x", "run")),
        refs=(RefFact("raw", "main", "branch", "raw.1"), RefFact("features", "main", "branch", "features.1")),
    )


def test_a_part_of_the_bundle_that_the_ref_still_gives_needs_no_content() -> None:
    assert stale(facts(reading("raw.1", Part("people", "p")))) == []


def test_a_part_of_another_bundle_that_has_no_content_is_gone() -> None:
    (row,) = stale(facts(reading("raw.0", Part("people", "p"))))
    assert (row.cause, row.subject, row.old, row.new) == ("input", "raw@main:people", "p", None)


def test_a_subject_that_is_not_among_the_facts_has_no_rows() -> None:
    assert stale(facts(reading("raw.1")), [Subject("unknown", "raw@other")]) == []


def test_no_facts_give_no_rows() -> None:
    assert stale(Facts()) == []


def test_imported_runs_stand_before_those_in_the_log_and_by_end_then_id() -> None:
    assert at_end(1, "b") < at_end(2, "a") < at_end(2, "b") < at_position(1) < at_position(2)


def test_imported_bundles_that_several_runs_wrote_are_judged_by_the_run_they_name() -> None:
    output = OutputFact("model", "model", "main", "model.1", at_end(1, "one"))
    one = RunFact("one", "default", "fit", "succeeded", 1, "f1", (), (output,))
    other = RunFact("other", "default", "tune", "succeeded", 2, "f1", (), (output,))
    known = Facts(
        runs=(one, other),
        bundles=(BundleFact("model.1", "model", "m", "one"),),
        refs=(RefFact("model", "main", "branch", "model.1"),),
        code_now={"one": "f2", "other": None},
    )
    assert [(row.subject, row.new) for row in stale(known)] == [("default/fit", "f2")]


def test_a_bundle_that_imported_runs_say_made_itself_is_stale_once() -> None:
    read = InputFact("loop", "loop", "main", "branch", "loop.1", (Part("", "l"),))
    output = OutputFact("loop", "loop", "main", "loop.1", at_end(1, "run"))
    known = Facts(
        runs=(RunFact("run", "default", "turn", "succeeded", 1, "f1", (read,), (output,)),),
        bundles=(BundleFact("loop.1", "loop", "l", "run"),),
        refs=(RefFact("loop", "main", "branch", "loop.1"),),
    )
    assert stale(known) == []
    (row,) = stale(Facts(known.runs, known.bundles, known.refs, code_now={"run": "f2"}))
    assert (row.cause, row.distance) == ("code", 0)


def test_a_chain_of_thousands_is_judged_to_its_end() -> None:
    length = 3000
    runs = []
    for number in range(1, length):
        above = f"r{number - 1}"
        read = InputFact(above, above, "main", "branch", f"{above}.1", (Part("", "c"),))
        output = OutputFact(f"r{number}", f"r{number}", "main", f"r{number}.1", at_position(1))
        runs.append(RunFact(f"run-{number}", "default", f"s{number}", "succeeded", number, "f1", (read,), (output,)))
    known = Facts(
        runs=tuple(runs),
        bundles=tuple(BundleFact(f"r{n}.1", f"r{n}", "c", f"run-{n}" if n else None) for n in range(length)),
        refs=tuple(RefFact(f"r{n}", "main", "branch", f"r{n}.1") for n in range(length)),
        code_now={"run-1": "f2"},
    )
    rows = stale(known)
    assert [row.distance for row in rows] == list(range(length - 1))
    assert (rows[-1].ref, rows[-1].subject, rows[-1].via) == (
        f"r{length - 1}@main",
        "default/s1",
        f"r{length - 2}@main",
    )
