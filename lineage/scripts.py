"""Which script a command runs."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CODE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("awk", "bash", "cwl", "do", "ipynb", "jl", "js", "lua", "m", "nf", "pl", "py", "pyw", "r", "rb", "sas"),
        *("scala", "sed", "sh", "smk", "sql", "ts", "wdl", "zsh"),
    )
)
"""Files with these endings (in any case) are taken for code when a command names them."""
_PYTHON = re.compile(r"(python|pypy)[0-9.]*w?(\.exe)?")
_SHELL = re.compile(r"(ba|da|k|z|a)?sh")
_STARTERS = frozenset(
    {
        "accelerate",
        "chrt",
        "command",
        "conda",
        "coverage",
        "env",
        "exec",
        "hatch",
        "ionice",
        "kernprof",
        "mamba",
        "micromamba",
    }
    | {
        "mpiexec",
        "mpirun",
        "nice",
        "nohup",
        "pdm",
        "pipenv",
        "pixi",
        "poetry",
        "rye",
        "setsid",
        "srun",
        "stdbuf",
        "sudo",
    }
    | {"taskset", "time", "timeout", "torchrun", "uv", "xvfb-run"}
)
"""Programs that start the program named behind them."""


@dataclass(frozen=True, slots=True)
class _Builder:
    """A program that does what a file says, by the first of `files` or by what one of `flags` names."""

    flags: frozenset[str]
    files: tuple[str, ...]


_MAKE = _Builder(frozenset({"-f", "--file", "--makefile"}), ("GNUmakefile", "makefile", "Makefile"))
_BUILDERS = {
    "make": _MAKE,
    "gmake": _MAKE,
    "snakemake": _Builder(frozenset({"-s", "--snakefile"}), ("Snakefile", "workflow/Snakefile")),
    "just": _Builder(frozenset({"-f", "--justfile"}), ("justfile", "Justfile")),
}
_PYTHON_TAKES_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def script_of(argv: Sequence[str], cwd: Path, root: Path | None = None) -> Path | None:
    """The script that a command started in `cwd` names; None when it names none.

    `python [options] FILE`, `python FOLDER`, `python -m MODULE` (looked for in `cwd`, then at the code `root` and
    in its `src`), `sh [options] FILE`, the words of `sh -c TEXT`, the Makefile of `make`, the command itself, also behind
    programs that start others (`nice`, `uv run`, `torchrun`), and otherwise the first word that is a file of code. The
    command itself and other words count only inside `root` (default: `cwd`), so that a system's tools are no scripts.

    >>> script_of(["python", "-c", "pass"], Path("."))
    """
    cwd = Path(os.path.abspath(cwd))  # noqa: PTH100 (links are kept as they were named)
    inside = Path(os.path.abspath(root)) if root else cwd  # noqa: PTH100
    starts = True
    for number, word in enumerate(argv):
        name = os.path.basename(word)  # noqa: PTH119
        rest = argv[number + 1 :]
        if _PYTHON.fullmatch(name):
            return _python_script(rest, cwd, inside)
        if _SHELL.fullmatch(name):
            return _shell_script(rest, cwd, inside)
        if starts and name in _BUILDERS:
            return _build_file(_BUILDERS[name], rest, cwd)
        if word == "-m" and rest and os.path.basename(argv[0]) in _STARTERS:  # noqa: PTH119
            return next(_modules(rest[0], (cwd, inside, inside / "src")), None)
        path = cwd / word
        if _is_inside(path, inside) and path.is_file() and ((starts and name != word) or is_code(path)):
            return path
        starts = starts and (name in _STARTERS or (number > 0 and os.sep not in word))
    return None


def _build_file(builder: "_Builder", words: Sequence[str], cwd: Path) -> Path | None:
    """The file that says what is to be built."""
    folder, named = cwd, None
    for word, following in zip(words, [*words[1:], ""], strict=False):
        flag, joined, value = word.partition("=")
        value = value if joined else following
        if flag in ("-C", "--directory"):
            folder = cwd / value
        elif flag in builder.flags:
            named = value
    found = [folder / name for name in ([named] if named else builder.files)]
    return next((path for path in found if path.is_file()), None)


def is_python(path: Path) -> bool:
    """Whether a file is Python by its ending or its first line."""
    return path.suffix.lower() in (".py", ".pyw") or (not path.suffix and b"python" in _shebang(path))


def is_code(path: Path) -> bool:
    """Whether a file is code by its ending or its first line."""
    return path.suffix.lower() in CODE_SUFFIXES or bool(_shebang(path))


def _shebang(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            line = stream.readline(200)
    except OSError:
        return b""
    return line if line.startswith(b"#!") else b""


def _is_inside(path: Path, root: Path) -> bool:
    return Path(os.path.abspath(path)).is_relative_to(root)  # noqa: PTH100


def _python_script(words: Sequence[str], cwd: Path, root: Path) -> Path | None:
    rest = iter(words)
    for word in rest:
        if word == "-m" or (word.startswith("-m") and not word.startswith("--")):
            name = word[2:] or next(rest, "")
            return next(_modules(name, (cwd, root, root / "src")), None) or script_of([name, *rest], cwd, root)
        if word.startswith("-c") or word == "-":
            return None
        if word in _PYTHON_TAKES_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return _existing(cwd / word)
    return None


def _existing(path: Path) -> Path | None:
    main = path / "__main__.py"
    return path if path.is_file() else main if main.is_file() else None


def _modules(name: str, folders: Sequence[Path]) -> Iterator[Path]:
    if not name:
        return
    for folder in dict.fromkeys(folders):
        place = folder.joinpath(*name.split("."))
        for path in (place / "__main__.py", place.with_name(place.name + ".py")):
            if path.is_file():
                yield path


def _shell_script(words: Sequence[str], cwd: Path, root: Path) -> Path | None:
    rest = iter(words)
    for word in rest:
        if word.startswith("-") and not word.startswith("--") and "c" in word:  # -c, -lc, -ec
            return _in_text(next(rest, ""), cwd, root)
        if word in ("--rcfile", "--init-file") or (
            word[:1] in "-+" and word[-1:] in "oO" and not word.startswith("--")
        ):
            next(rest, None)  # -o, -euo: the option's name
        elif not word.startswith(("-", "+")):
            return cwd / word if (cwd / word).is_file() else None
    return None


def _in_text(text: str, cwd: Path, root: Path) -> Path | None:
    """The first script that the commands of a shell's text name."""
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # an open quote
        return None
    command: list[str] = []
    for word in [*words, ";"]:
        if word and set(word) <= set(";&|()\n"):
            found = script_of(command, cwd, root) if command else None
            if found:
                return found
            if command[:1] == ["cd"] and len(command) == 2:
                cwd = cwd / command[1]
            command = []
        else:
            command.append(word)
    return None
