"""What decides whether two runs are the same computation, part by part, and the key that stands for all parts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blake3 import blake3

from datamon.lineage.recording import RunIntent
from datamon.lineage.records import CodeVersion, InputRecord, Param, RunOpened
from datamon.lineage.secrets import Redactor
from datamon.store.codec import encode

CONTEXT = "datamon 1 key of a computation"
_LONGEST = 60
_HIDDEN = frozenset({"code"})
"""Parts whose values are digests, which say nothing to people."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one computation: texts, and contents by their ids, each under a name that a person understands."""

    values: Mapping[str, str]

    @property
    def key(self) -> str:
        """64 hexadecimal digits, the same for the same parts and for no others."""
        return blake3(encode(dict(self.values)), derive_key_context=CONTEXT).hexdigest()

    def differences(self, earlier: "Parts") -> list[str]:
        """In words, what is not as it was earlier, in the order of names.

        >>> Parts({"code": "a", "param 'x'": "1"}).differences(Parts({"code": "b", "param 'x'": "2", "param 'y'": "3"}))
        ['code is another', "param 'x' is 1 and was 2", "param 'y' is gone and was 3"]
        """
        names = sorted(self.values.keys() | earlier.values.keys())
        return [
            _difference(name, self.values.get(name), earlier.values.get(name))
            for name in names
            if self.values.get(name) != earlier.values.get(name)
        ]


def parts_of(intent: RunIntent, redactor: Redactor) -> Parts:
    """The parts of what is about to run: step, code, and params, inputs, outputs and what of the environment counts, by name; of
    a command its words, too. Secrets are masked, and so make no difference."""
    values = {"step": f"{intent.pipeline}/{intent.step}", "code": f"{intent.code.method} {intent.code.fingerprint}"}
    if intent.how == "command":
        values["command"] = json.dumps([redactor.text(intent.cwd), *redactor.words(intent.argv)], ensure_ascii=False)
    for param in map(redactor.param, intent.params):
        values[f"param {param.name!r}"] = json.dumps(param.value, sort_keys=True, ensure_ascii=False)
    for each in intent.inputs:
        values[f"input {each.role!r}"] = f"{each.content} in {redactor.text(each.directory or each.role)}"
    for part in intent.environment_policy:
        values[f"environment {part.name!r}"] = redactor.text(part.value or "not there")
    for target in intent.targets:
        planned = target.planned
        values[f"output {planned.role!r}"] = redactor.text(planned.directory or planned.role)
    return Parts(values)


def obstacle(intent: RunIntent) -> str | None:
    """Why what is about to run can neither be reused nor take another's outputs, in words; None when nothing is in the way."""
    if not intent.targets:
        return _NO_OUTPUT
    return _unknown(intent.code, intent.params, intent.inputs)


def obstacle_of(run: RunOpened) -> str | None:
    """The same of a run that was recorded."""
    if not run.outputs:
        return _NO_OUTPUT
    return _unknown(run.code, run.params, run.inputs)


_NO_OUTPUT = "it has no declared output that another run could have made"


def _unknown(code: CodeVersion, params: Sequence[Param], inputs: Sequence[InputRecord]) -> str | None:
    if code.fingerprint is None:
        return "nothing says what its code is; name that with --code"
    handed = {each.role.partition(".")[0] for each in inputs}  # what another step returned is known by its content
    inexact = next((each.name for each in params if not each.exact and each.name not in handed), None)
    if inexact is not None:
        return f"the value of the param {inexact!r} is described and not known; give plain values"
    if code.unresolved:
        shown = "; ".join(code.unresolved[:3])
        return f"its code cannot be followed everywhere ({shown}); name all of it with --code"
    return None


def _difference(name: str, now: str | None, earlier: str | None) -> str:
    if name in _HIDDEN or name.startswith("input "):
        return f"{name} is another" if now and earlier else f"{name} is {'new' if now else 'gone'}"
    if earlier is None:
        return f"{name} is new"
    return f"{name} is {'gone' if now is None else _cut(now)} and was {_cut(earlier)}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
