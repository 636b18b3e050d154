"""What a process can learn of the container and the GPUs that it runs in, from the file system and its environment."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

IMAGE_VARIABLES = ("DATAMON_IMAGE", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
"""Environment variables that name the image, in the order in which they count. Docker and Kubernetes tell a container nothing
of its image (the downward API has no field for it), so that there only the first can."""
LONGEST_S = 5.0
"""nvidia-smi is given so many seconds."""
_MARKS = (
    ("/kubepods", "kubernetes"),
    ("/kubelet/", "kubernetes"),
    ("/docker/containers/", "docker"),
    ("/docker/", "docker"),
)
"""What stands in the paths of a container's control groups and mounts."""
_DRIVER = re.compile(r"Kernel Module\b.*?\s(\d+(?:\.\d+)+)")
_ASKED = ("--query-gpu=name,driver_version", "--format=csv,noheader")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`container` is its kind (`docker`, `podman`, `kubernetes` or what names itself; None: in none that can be seen), `image`
    what it was made from (a digest where that is known), `gpus` the models with their driver, sorted."""

    container: str | None = None
    image: str | None = None
    gpus: tuple[str, ...] = ()


def look_around(variables: Mapping[str, str], root: Path = Path("/")) -> Surroundings:
    """What the files below `root` and these environment variables tell; what they do not tell is None."""
    podman = _assignments(_text(root / "run/.containerenv"))
    told = next((variables[name] for name in IMAGE_VARIABLES if variables.get(name)), None)
    return Surroundings(
        container=_kind(variables, root),
        image=told or _podman_image(podman),
        gpus=_gpus(root, variables.get("PATH", "")),
    )


def _kind(variables: Mapping[str, str], root: Path) -> str | None:
    if (root / "run/.containerenv").exists():
        return "podman"
    if "KUBERNETES_SERVICE_HOST" in variables:
        return "kubernetes"
    if (root / ".dockerenv").exists():
        return "docker"
    if "APPTAINER_CONTAINER" in variables or "SINGULARITY_CONTAINER" in variables:
        return "apptainer"
    return variables.get("container") or _marked(root)  # systemd-nspawn and lxc set the variable


def _marked(root: Path) -> str | None:
    """From the control groups (version 1), and from the files that engines mount into a container (version 2)."""
    told = _text(root / "proc/self/cgroup") + _text(root / "proc/self/mountinfo")
    return next((kind for mark, kind in _MARKS if mark in told), None)


def _podman_image(told: Mapping[str, str]) -> str | None:
    identity = told.get("imageid")
    if identity:
        return identity if identity.startswith("sha256:") else f"sha256:{identity}"
    return told.get("image") or None


@cache
def _gpus(root: Path, path: str) -> tuple[str, ...]:
    """They stay the same for the life of a process."""
    driver = _DRIVER.search(_text(root / "proc/driver/nvidia/version"))
    cards = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    models = [_field(_text(card), "Model") for card in cards]
    named = [f"{model}, driver {driver[1]}" if driver else model for model in models if model]
    return tuple(sorted(named or _asked(path)))


def _asked(path: str) -> list[str]:
    """As nvidia-smi tells, where the kernel's own files do not (WSL)."""
    program = shutil.which("nvidia-smi", path=path) if path else None
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, *_ASKED], stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.rpartition(",") for line in done.stdout.decode(errors="replace").splitlines() if "," in line]
    return [f"{model.strip()}, driver {driver.strip()}" for model, _, driver in rows]


def _field(text: str, name: str) -> str | None:
    rows = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for key, _, value in rows if key.strip() == name and value.strip()), None)


def _assignments(text: str) -> dict[str, str]:
    rows = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip().strip('"') for key, equals, value in rows if equals}


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
