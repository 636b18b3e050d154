"""In what two runs differ: pure functions over their records."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from datamon.lineage.param_values import plain
from datamon.lineage.records import Environment, Run

Kind = Literal["step", "command", "status", "param", "input", "code", "env", "output", "metric"]
KINDS: tuple[Kind, ...] = ("step", "command", "status", "param", "input", "code", "env", "output", "metric")
"""What is compared, in the order of the rows."""
Change = Literal["added", "deleted", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two differ. `old` is None for what was `added`, `new` for what was `deleted`. Contents of inputs,
    outputs and code are hashes."""

    kind: Kind
    name: str
    change: Change
    old: str | None
    new: str | None


@dataclass(frozen=True)
class RunSide:
    """A run with what its record only names: its environment, and the contents of its code's files by path, as far as they are
    known."""

    run: Run
    environment: Environment | None = None
    code: Mapping[str, str] = field(default_factory=dict)


def differences(old: RunSide, new: RunSide, kinds: Sequence[Kind] = KINDS) -> list[Difference]:
    """What is unlike, by kind and then by name. Whatever is different in every run (ids, times, host, resources) is not compared;
    of inputs the content counts, whichever ref gave it."""
    return [each for kind in KINDS if kind in kinds for each in compared(kind, _VALUES[kind](old), _VALUES[kind](new))]


def compared(kind: Kind, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    """The differences between two sets of named values."""
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was != now:
            change: Change = "added" if was is None else "deleted" if now is None else "changed"
            yield Difference(kind, name, change, was, now)


def _step(side: RunSide) -> dict[str, str]:
    return {"step": f"{side.run.opened.pipeline}/{side.run.opened.step}"}


def _command(side: RunSide) -> dict[str, str]:
    opened = side.run.opened
    return {"command": shlex.join(opened.argv), "directory": opened.cwd} if opened.how == "command" else {}


def _status(side: RunSide) -> dict[str, str]:
    closed = side.run.closed
    code = None if closed is None or closed.exit_code is None else str(closed.exit_code)
    return {"status": side.run.status} | ({"exit code": code} if code is not None else {})


def _params(side: RunSide) -> dict[str, str]:
    return {param.name: plain(param.value) for param in side.run.opened.params}


def _inputs(side: RunSide) -> dict[str, str]:
    return {_unlike(each.role, each.path): each.content for each in side.run.inputs}


def _unlike(role: str, path: str) -> str:
    return f"{role}:{path}" if path else role


def _code(side: RunSide) -> dict[str, str]:
    code = side.run.opened.code
    named = {"commit": code.commit, "uncommitted changes": code.dirty, "fingerprint": code.fingerprint}
    return {name: value for name, value in named.items() if value} | dict(side.code)


def _env(side: RunSide) -> dict[str, str]:
    found = side.environment
    if found is None:
        return {}
    named = {
        "python": found.python,
        "implementation": found.implementation,
        "platform": found.platform,
        "container": found.container,
        "image": found.image,
        "gpus": ", ".join(found.gpus) or None,
    }
    variables = {f"${name}": value for name, value in found.variables.items()}
    return {name: value for name, value in named.items() if value} | dict(found.packages) | variables


def _outputs(side: RunSide) -> dict[str, str]:
    return {f"{each.repo_name}@{each.branch}": each.content for each in side.run.outputs}


def _metrics(side: RunSide) -> dict[str, str]:
    return {metric.name: repr(metric.value) for metric in (side.run.closed.metrics if side.run.closed else ())}


_VALUES: dict[Kind, Callable[[RunSide], dict[str, str]]] = {
    "step": _step,
    "command": _command,
    "status": _status,
    "param": _params,
    "input": _inputs,
    "code": _code,
    "env": _env,
    "output": _outputs,
    "metric": _metrics,
}
