"""Which parts of the environment count for a step: their names, and the values that they have here.

`python`, `platform`, `image`, `gpu`, `packages` (all of them), `package:NAME`, `file:PATH` (a lock file, from the code root),
`variable:NAME`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from datamon.errors import Invalid
from datamon.lineage.records import Environment, EnvironmentPart
from datamon.lineage.secrets import Redactor

WHOLE = ("python", "platform", "image", "gpu", "packages")
KINDS = ("package", "file", "variable")


@dataclass(frozen=True)
class Here:
    """Where the parts have their values: the environment that was captured, the code root, the environment's variables."""

    environment: Environment
    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)


def check_parts(names: Iterable[str], redactor: Redactor) -> tuple[str, ...]:
    """The names in the order given, once each, packages as PyPI spells them. Raises Invalid (`bad-argument`) for a name that says
    no part, and for a variable that is named like a secret: its value is kept nowhere, so that it cannot be compared."""
    return tuple(dict.fromkeys(_checked(name, redactor) for name in names))


def from_root(names: Iterable[str], relative: Callable[[str], str]) -> tuple[str, ...]:
    """The names with the paths of files as `relative` gives them."""
    return tuple(f"file:{relative(name[5:])}" if name.startswith("file:") else name for name in names)


def values_of(names: Iterable[str], here: Here) -> tuple[EnvironmentPart, ...]:
    """Each named part with its value here; None when it is not there. A file's value is the hash of its bytes."""
    return tuple(EnvironmentPart(name, _value(name, here)) for name in names)


def needs_interpreter(name: str) -> bool:
    """Whether the value of a part is the interpreter's to tell."""
    return name in ("python", "packages") or name.startswith("package:")


def _checked(name: str, redactor: Redactor) -> str:
    kind, colon, of = name.partition(":")
    if name in WHOLE:
        return name
    if not colon or kind not in KINDS or not of.strip():
        raise Invalid(
            "bad-argument",
            f"the environment has no part {name!r}; name one of {', '.join(WHOLE)}, package:NAME, file:PATH, variable:NAME",
            part=name,
        )
    if kind == "variable" and redactor.is_secret(of):
        raise Invalid(
            "bad-argument",
            f"the variable {of!r} is named like a secret, whose value is never kept; leave it out of the environment policy",
            part=name,
        )
    return f"package:{_canonical(of)}" if kind == "package" else name


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package.strip()).lower()


def _value(name: str, here: Here) -> str | None:
    kind, _, of = name.partition(":")
    environment = here.environment
    match kind:
        case "python":
            return " ".join(word for word in (environment.implementation, environment.python) if word) or None
        case "platform":
            return environment.platform
        case "image":
            return environment.image
        case "gpu":
            return "; ".join(environment.gpus) or None
        case "packages":
            return _digest(json.dumps(environment.packages, sort_keys=True).encode())
        case "package":
            return environment.packages.get(of)
        case "variable":
            return here.variables.get(of)
        case _:
            return _file(here.root / of)


def _file(path: Path) -> str | None:
    try:
        return _digest(path.read_bytes())
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return blake3(content).hexdigest()
