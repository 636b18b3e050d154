"""Lists the packages that a Python sees. Imports only the standard library and runs on any Python from 3.6 on, because its
text is also given to other interpreters with `-c`."""

import json
import os
import platform
import re
import sys
from typing import Any, Dict, Iterator, List, Tuple  # noqa: UP035 (read by old interpreters too)


def scan(path: List[str]) -> Dict[str, str]:  # noqa: UP006
    """Canonical name → version of every installed distribution on `path`; the first on it wins, as in an import."""
    found: Dict[str, str] = {}  # noqa: UP006
    for directory in path:
        for name, version in _beside(directory or "."):
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return found


def _beside(directory: str) -> Iterator[Tuple[str, str]]:  # noqa: UP006
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for entry in names:
        stem, suffix = os.path.splitext(entry)  # noqa: PTH122
        if suffix not in (".dist-info", ".egg-info"):
            continue
        name, _, version = stem.partition("-")
        if suffix == ".egg-info":
            version = version.split("-py")[0]
        yield name, version or _written_version(os.path.join(directory, entry))  # noqa: PTH118


def _written_version(place: str) -> str:
    for name in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:  # noqa: PTH118
                for line in file:
                    if line.startswith("Version:"):
                        return line[len("Version:") :].strip()
        except OSError:
            continue
    return "unknown"


def describe() -> Dict[str, Any]:  # noqa: UP006
    """This interpreter: version, implementation, platform, packages."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "packages": scan(sys.path),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe()))
