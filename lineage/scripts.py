"""Which script a command runs."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
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
_PYTHON_TAKES_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def script_of(argv: Sequence[str], cwd: Path, root: Path | None = None) -> Path | None:
    """The script that a command started in `cwd` names; None when it names none.

    `python [options] FILE`, `python FOLDER`, `python -m MODULE` (looked for in `cwd`, then at the code `root` and
    in its `src`), `sh [options] FILE`, the words of `sh -c TEXT`, the command itself, and otherwise the first word
    that is a file of code. The command itself and other words count only inside `root` (default: `cwd`), so that a
    system's tools are no scripts.

    >>> script_of(["python", "-c", "pass"], Path("."))
    """
    cwd = Path(os.path.abspath(cwd))  # noqa: PTH100 (links are kept as they were named)
    inside = Path(os.path.abspath(root)) if root else cwd  # noqa: PTH100
    for number, word in enumerate(argv):
        name = os.path.basename(word)  # noqa: PTH119
        if _PYTHON.fullmatch(name):
            return _python_script(argv[number + 1 :], cwd, inside)
        if _SHELL.fullmatch(name):
            return _shell_script(argv[number + 1 :], cwd, inside)
        path = cwd / word
        started = number == 0 and name != word
        if _is_inside(path, inside) and path.is_file() and (started or is_code(path)):
            return path
    return None


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
            return next(_modules(name, (cwd, root, root / "src")), None)
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
        if word in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file"):
            next(rest, None)
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
            command = []
        else:
            command.append(word)
    return None
