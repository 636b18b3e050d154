"""Bindings of the command line: REPO[@REF][:PATH]=DIR for inputs and REPO[@BRANCH]=DIR for outputs."""

from dataclasses import dataclass
from pathlib import Path

from datamon.errors import Invalid
from datamon.store.names import DEFAULT_BRANCH, check_name
from datamon.store.resolve import parse_reference


@dataclass(frozen=True, slots=True)
class InputBinding:
    """The part of `repo` at `ref` (None: its default branch) that lies at `path` ("": all), and where to put it."""

    repo: str
    ref: str | None
    path: str
    directory: Path

    @property
    def reference(self) -> str:
        """As a person writes it."""
        return f"{self.repo}{f'@{self.ref}' if self.ref else ''}{f':{self.path}' if self.path else ''}"


@dataclass(frozen=True, slots=True)
class OutputBinding:
    """The branch of `repo` that the files of `directory` go to."""

    repo: str
    branch: str
    directory: Path


def parse_input(text: str) -> InputBinding:
    """Splits at the first `=`; the reference before it is read as everywhere. Raises Invalid (`bad-argument`, `bad-reference`,
    `bad-name`).

    >>> parse_input("raw@v1:2026/jan=in/raw")
    InputBinding(repo='raw', ref='v1', path='2026/jan', directory=PosixPath('in/raw'))
    """
    reference, directory = _split(text, "input", "REPO[@REF][:PATH]=DIR")
    return _input(reference, directory)


def input_to(reference: str, directory: Path) -> InputBinding:
    """The binding of a reference REPO[@REF][:PATH] to a directory. Raises Invalid (`bad-reference`, `bad-name`)."""
    return _input(reference, directory)


def parse_output(text: str) -> OutputBinding:
    """Splits at the first `=`, then `@`. Raises Invalid (`bad-argument`, `bad-name`).

    >>> parse_output("features@try=out")
    OutputBinding(repo='features', branch='try', directory=PosixPath('out'))
    """
    reference, directory = _split(text, "output", "REPO[@BRANCH]=DIR")
    return output_to(reference, directory)


def output_to(reference: str, directory: Path) -> OutputBinding:
    """The binding of REPO[@BRANCH] to a directory. Raises Invalid (`bad-name`, `bad-argument`)."""
    repo, at, branch = reference.partition("@")
    if ":" in reference:
        raise Invalid(
            "bad-argument",
            f"the output {reference!r} has a path; an output is all of a directory, write REPO[@BRANCH]",
            output=reference,
        )
    return OutputBinding(
        repo=check_name("repo", repo),
        branch=check_name("branch", branch) if at else DEFAULT_BRANCH,
        directory=directory,
    )


def _split(text: str, what: str, form: str) -> tuple[str, Path]:
    reference, equals, directory = text.partition("=")
    if not equals or not reference or not directory:
        raise Invalid("bad-argument", f"the {what} {text!r} is not of the form {form}", argument=text)
    return reference, Path(directory)


def _input(reference: str, directory: Path) -> InputBinding:
    parsed = parse_reference(reference)
    return InputBinding(parsed.repo, parsed.ref, parsed.path, directory)
