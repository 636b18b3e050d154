"""Signatures of runs, kept in the journal beside what they sign; and whether they hold."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datamon.errors import DatamonError, Invalid
from datamon.lineage.interchange.dsse import SigningKey, key_id, opened, read_signing_key, signed
from datamon.lineage.interchange.in_toto import PAYLOAD_TYPE, disagreements, statement
from datamon.lineage.interchange.story import Story, Telling
from datamon.lineage.interchange.survey import journal_events
from datamon.lineage.recording import Signing
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RepoId, RunId
from datamon.store.manifest import read_manifest
from datamon.store.opening import Store

RUN_SIGNED = "run-signed"
Verdict = Literal["good", "unsigned", "untrusted", "bad-signature", "disagrees", "not-ended"]
BAD: frozenset[Verdict] = frozenset({"untrusted", "bad-signature", "disagrees"})
"""What nobody should build on."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What one signature of a run is worth, or that it has none. `key` is the id of the key that signed, `message` says what is
    wrong, or what should be known."""

    run: RunId
    step: str
    verdict: Verdict
    key: str | None
    signed_ns: int | None
    message: str

    @property
    def is_bad(self) -> bool:
        """Whether it speaks against the run."""
        return self.verdict in BAD


def signing_with(file: Path) -> Signing:
    """What signs runs with the private key in `file`. Raises as `read_signing_key`."""
    key = read_signing_key(file)

    def sign(store: str, opening: Record, closing: Record) -> Record:
        return signature(key, store, opening, closing)

    return sign


def signature(key: SigningKey, store: str, opening: Record, closing: Record) -> Record:
    """The journal record that signs a run that has ended."""
    envelope = signed(key, PAYLOAD_TYPE, statement(store, opening, closing))
    return {"kind": RUN_SIGNED, "run": opening["id"], "key": key.id, "public": key.public, "envelope": envelope}


def sign_run(store: Store, story: Story, key: SigningKey) -> None:
    """The run is signed in the journal, durable. Raises Invalid (`bad-argument`) when it has not ended, Unavailable, Denied."""
    if story.closing is None:
        raise Invalid(
            "bad-argument",
            f"run {story.run.id} is {story.run.status}: only a run that has ended can be signed",
            id=story.run.id,
        )
    store.journal.append(signature(key, store.id, story.opening, story.closing))


def verify(telling: Telling, trusted: Sequence[str]) -> Iterator[Verified]:
    """A row for each signature of each run, and for each run that has none: whether the signature fits, was made with one of the
    `trusted` public keys (any, where there are none; others are left aside where one of these holds), and the statement agrees
    with the journal and with the contents that the store has now. Raises Corrupt, Denied, Unavailable."""
    runs = frozenset(story.run.id for story in telling.stories)
    found: dict[RunId, list[Record]] = {}
    for event in journal_events(telling.store):
        if event["kind"] == RUN_SIGNED and event["run"] in runs:
            found.setdefault(event["run"], []).append(event)
    ids = frozenset(map(key_id, trusted))
    for story in telling.stories:
        yield from _of_run(telling.store, story, found.get(story.run.id, ()), ids)


def _of_run(store: Store, story: Story, events: Iterable[Record], trusted: frozenset[str]) -> Iterator[Verified]:
    run, step = story.run.id, story.step
    if story.closing is None:
        yield Verified(run, step, "not-ended", None, None, f"it is {story.run.status}: nothing of it can be signed")
        return
    wrong = next(_contents(store, story), None)
    found: dict[tuple[object, Verdict, str], Verified] = {}
    for event in events:
        verdict, message = _judged(store, story, event, trusted)
        if verdict == "good" and wrong is not None:
            verdict, message = "disagrees", wrong
        # What was signed twice with one key is told once.
        told = Verified(run, step, verdict, event.get("key"), event["time"], message)
        found.setdefault((told.key, verdict, message), told)
    if not found:
        verdict, message = ("disagrees", wrong) if wrong else ("unsigned", "nobody has signed it")
        yield Verified(run, step, verdict, None, None, message)
    vouched = any(told.verdict == "good" for told in found.values())
    yield from (told for told in found.values() if not (vouched and told.verdict == "untrusted"))


def _judged(store: Store, story: Story, event: Record, trusted: frozenset[str]) -> tuple[Verdict, str]:
    assert story.closing is not None
    try:
        public: str = event["public"]
        if key_id(public) != event["key"]:
            return "bad-signature", "the key is not the one that it is named by"
        said: Any = opened(event["envelope"], PAYLOAD_TYPE, public)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return "bad-signature", str(error)
    wrong = next(disagreements(said, store.id, story.opening, story.closing), None)
    if wrong is not None:
        return "disagrees", wrong
    if trusted and event["key"] not in trusted:
        return "untrusted", "the key that signed is not among those that are trusted"
    return "good", ""


def _contents(store: Store, story: Story) -> Iterator[str]:
    """Where what the store has now is not what was recorded. A bundle that was deleted is no difference: that is known."""
    assert story.closing is not None
    for what in ("inputs", "outputs"):
        for each in story.closing[what]:
            wrong = _content(store, story, each)
            if wrong is not None:
                yield wrong


def _content(store: Store, story: Story, each: Record) -> str | None:
    name = f"{each['repo_name']}@{each['bundle']}"
    bundle = story.bundles.get(BundleId(each["bundle"]))
    if bundle is None:
        return f"no log of the store has the bundle {name}"
    if BundleId(each["bundle"]) in store.logs.repo(RepoId(each["repo"])).deleted:
        return None
    if not each.get("path") and bundle.content != each["content"]:
        return f"the bundle {name} has the content {bundle.content[:12]}… in its log and {each['content'][:12]}… in the run"
    try:
        manifest = read_manifest(store.metadata, bundle.manifest)
        if manifest.content != bundle.content:
            return f"the manifest of {name} has the content {manifest.content[:12]}… and its log {bundle.content[:12]}…"
        if each.get("path"):
            from datamon.store.manifest import part_content

            if part_content(store.metadata, manifest, each["path"]) != each["content"]:
                return f"the part {each['path']} of {name} has another content than the run recorded"
    except DatamonError as error:
        return f"the bundle {name} cannot be read: {error.message}"
    return None
