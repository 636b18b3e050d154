"""Containers and GPUs, as the files of a machine tell of them, and the parts of the environment that count."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from datamon.errors import Invalid
from datamon.lineage.capture.surroundings import Surroundings, look_around
from datamon.lineage.environment_policy import Here, check_parts, from_root, values_of
from datamon.lineage.records import Environment, EnvironmentPart
from datamon.lineage.secrets import Redactor

ID = "0123456789abcdef" * 4
DRIVER = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: gcc 12\n"
)


def machine(root: Path, files: Mapping[str, str]) -> Path:
    """A file system with these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "variables", "container", "image"),
    [
        ({}, {}, None, None),
        ({".dockerenv": ""}, {}, "docker", None),
        ({".dockerenv": ""}, {"DATAMON_IMAGE": "team/x@sha256:1"}, "docker", "team/x@sha256:1"),
        ({".dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes", None),
        ({"proc/self/cgroup": f"4:cpu:/docker/{ID}\n"}, {}, "docker", None),
        ({"proc/self/cgroup": f"4:cpu:/kubepods/burstable/pod1/{ID}\n"}, {}, "kubernetes", None),
        (
            {"proc/self/mountinfo": f"7 8 0:1 /var/lib/docker/containers/{ID}/hosts /etc/hosts rw - ext4 x rw\n"},
            {},
            "docker",
            None,
        ),
        ({"proc/self/cgroup": "0::/user.slice/session-1.scope\n"}, {}, None, None),
        (
            {"run/.containerenv": f'engine="podman-4.9"\nimage="quay.io/x:1"\nimageid="{ID}"\n'},
            {},
            "podman",
            f"sha256:{ID}",
        ),
        ({"run/.containerenv": 'image="quay.io/x:1"\n'}, {}, "podman", "quay.io/x:1"),
        ({"run/.containerenv": ""}, {}, "podman", None),
        ({}, {"APPTAINER_CONTAINER": "/images/x.sif"}, "apptainer", "/images/x.sif"),
        ({}, {"container": "lxc"}, "lxc", None),
    ],
)
def test_a_container_is_known_by_the_marks_that_its_engine_leaves(
    tmp_path: Path, files: dict[str, str], variables: dict[str, str], container: str | None, image: str | None
) -> None:
    assert look_around(variables, machine(tmp_path, files)) == Surroundings(container, image)


def test_gpus_are_known_by_the_kernels_files(tmp_path: Path) -> None:
    cards = {
        f"proc/driver/nvidia/gpus/0000:0{n}:00.0/information": f"Model: \t\t NVIDIA {m}\nIRQ: 1\n"
        for n, m in enumerate(("T4", "A100"))
    }
    root = machine(tmp_path, {"proc/driver/nvidia/version": DRIVER, **cards})
    assert look_around({}, root).gpus == ("NVIDIA A100, driver 535.104.05", "NVIDIA T4, driver 535.104.05")


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'NVIDIA RTX 4090, 550.1'", ("NVIDIA RTX 4090, driver 550.1",)),
        ("exit 9", ()),
        ("echo failed because the driver is gone", ()),
    ],
)
def test_where_the_kernel_does_not_tell_nvidia_smi_is_asked(tmp_path: Path, script: str, gpus: tuple[str, ...]) -> None:
    program = machine(tmp_path, {"bin/nvidia-smi": f"#!/bin/sh\n{script}\n"}) / "bin" / "nvidia-smi"
    program.chmod(0o755)
    assert look_around({"PATH": str(program.parent)}, tmp_path).gpus == gpus


def test_each_part_has_its_value_here_and_what_is_not_there_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("x")
    environment = Environment("3.12.1", "CPython", "Linux", {"numpy": "1.26"}, {}, image="x@sha256:1", gpus=("A", "B"))
    here = Here(environment, tmp_path, {"OMP": "4"})
    names = ("python", "platform", "image", "gpu", "package:numpy", "package:none", "variable:OMP", "variable:NO")
    values = [part.value for part in values_of(names, here)]
    assert values == ["CPython 3.12.1", "Linux", "x@sha256:1", "A; B", "1.26", None, "4", None]
    file, gone, packages = values_of(("file:a.lock", "file:none", "packages"), here)
    assert (len(file.value or ""), gone.value, len(packages.value or "")) == (64, None, 64)
    (tmp_path / "a.lock").write_text("y")
    assert values_of(("file:a.lock",), here) != (file,)


def test_parts_are_named_once_and_packages_as_the_index_spells_them() -> None:
    assert check_parts(("package:Scikit_Learn", "python", "package:scikit-learn"), Redactor()) == (
        "package:scikit-learn",
        "python",
    )
    assert from_root(("file:a", "python"), lambda path: f"sub/{path}") == ("file:sub/a", "python")


@pytest.mark.parametrize("name", ["", "gpus", "file:", "package: ", "variable", "variable:DB_PASSWORD", "python:3"])
def test_what_is_no_part_or_a_secret_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_parts((name,), Redactor())


def test_an_environment_that_knows_of_no_container_is_stored_as_before() -> None:
    environment = Environment("3.12.1", "CPython", "Linux", {}, {})
    assert set(environment.to_record()) == {"python", "implementation", "platform", "packages", "variables"}
    richer = Environment("3.12.1", "CPython", "Linux", {}, {}, "docker", "x", ("A",))
    assert Environment.from_record(richer.to_record()) == richer
    assert EnvironmentPart.from_record(EnvironmentPart("image", None).to_record()).value is None
