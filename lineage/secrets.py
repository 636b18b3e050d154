"""What must not be kept: secret names and values, and how they are taken out of everything that a record holds."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, cast
from urllib.parse import quote

from datamon.lineage.records import Param, ParamValue

MASK = "***"
DEFAULT_NAMES = (
    *("*password*", "*passwd*", "*passphrase*", "*secret*", "*credential*", "*api_key*", "*apikey*"),
    *("*private_key*", "*access_key*", "*encryption_key", "*ssh_key", "*_pat", "*token", "token_*", "*_token_*"),
)
"""Names whose values are secret, as globs over the name in lower case with `_` between its words (`authToken` is
`auth_token`). A tokenizer and `max_tokens` are no secrets."""
SHORTEST_VALUE = 6
"""A value that is secret because of its name is looked for elsewhere only when it has at least so many characters."""

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_ASSIGNMENT = re.compile(
    r"(?P<name>[A-Za-z_][\w.\-]*)(?P<between>[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s;&|\"',}]+)"
)
_FLAG = re.compile(
    r"(?P<name>(?<![\w-])--?[A-Za-z][\w\-]*)(?P<between>\s+)(?P<value>\"[^\"]*\"|'[^']*'|[^\s;&|\"'-][^\s;&|\"']*)"
)
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)(?P<user>[^/\s:@'\"]*):(?P<value>[^/\s@'\"]+)@")
_BEARER = re.compile(r"(?P<name>\b(?:Bearer|Basic)\s+)(?P<value>[A-Za-z0-9._~+/\-]{6,}=*)")
_LOGIN = re.compile(r"(?P<name>(?<![\w-])(?:-u|--user|--proxy-user)[\s=]+[^\s:\"']+:)(?P<value>[^\s\"']+)")
_LOGIN_FLAGS = frozenset({"-u", "--user", "--proxy-user"})
_ISSUED = re.compile(
    r"\b(?:gh[a-z]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|sk-[\w-]{20,}|AKIA[A-Z0-9]{12,}"
    r"|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"
)
"""Secrets that tell by their shape which service issued them."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces secret values by `***`. `names` are globs as in `DEFAULT_NAMES`; `values` are secret wherever they stand,
    also as a URL or JSON would spell them, and so is each line of a value of several lines."""

    names: Sequence[str] = DEFAULT_NAMES
    values: Sequence[str] = ()
    _pattern: "re.Pattern[str] | None" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = sorted(spellings(self.values), key=lambda value: (-len(value), value))
        pattern = re.compile("|".join(re.escape(value) for value in found)) if found else None
        object.__setattr__(self, "_pattern", pattern)

    def is_secret(self, name: str) -> bool:
        """Whether a thing of this name has a secret value."""
        plain = "_".join(word for word in _WORD_BREAK.split(name) if word).lower()
        return any(fnmatchcase(plain, pattern.lower().replace("-", "_")) for pattern in self.names)

    def text(self, text: str) -> str:
        """`text` without secret values. Bytes of a command line that are no UTF-8 are spelled out, since no record can hold
        them."""
        text = text.encode("utf-8", "backslashreplace").decode()
        return self._pattern.sub(MASK, text) if self._pattern else text

    def line(self, text: str) -> str:
        """`text` without secret values, and without what stands in it as the value of a secret name, as the password of a URL or
        a login, or looks like a secret that a service issued."""

        def mask(match: "re.Match[str]") -> str:
            if not self.is_secret(match["name"]):
                return match[0]
            return f"{match['name']}{match['between']}{MASK}"

        text = _USERINFO.sub(lambda match: f"{match['scheme']}{match['user']}:{MASK}@", text)
        for pattern in (_BEARER, _LOGIN):
            text = pattern.sub(lambda match: f"{match['name']}{MASK}", text)
        return self.text(_FLAG.sub(mask, _ASSIGNMENT.sub(mask, _ISSUED.sub(MASK, text))))

    def words(self, argv: Iterable[str]) -> tuple[str, ...]:
        """`argv` without secret values and without those of secret flags and assignments, also inside one word."""
        masked: list[str] = []
        previous = ""
        for word in argv:
            if _is_flag_of_secret(self, previous) and not word.startswith("--"):
                masked.append(MASK)
                previous = ""
                continue
            user, colon, _ = word.partition(":")
            masked.append(f"{user}:{MASK}" if colon and previous in _LOGIN_FLAGS else self.line(word))
            previous = word
        return tuple(masked)

    def param(self, param: Param) -> Param:
        """`param` without secret values: its whole value when its name is secret."""
        if self.is_secret(param.name):
            return replace(param, value=MASK)
        return replace(param, name=self.text(param.name), value=self.value(param.value))

    def value(self, value: ParamValue) -> ParamValue:
        """`value` without secret values, at any depth."""
        return cast(ParamValue, self._inside(value))

    def learning(self, argv: Iterable[str], params: Iterable[Param]) -> "Redactor":
        """A redactor that also knows the values that secret names have in `argv` and `params`."""
        found = [*_secret_words(self, argv), *(each for p in params for each in _secret_inside(self, p.name, p.value))]
        new = [value for value in found if len(value) >= SHORTEST_VALUE]
        return replace(self, values=(*self.values, *new)) if new else self

    def stream(self) -> "StreamRedactor":
        """For bytes that come piece by piece."""
        return StreamRedactor(self.values)

    def _inside(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.line(value)
        if isinstance(value, list):
            texts = iter(self.words(each for each in value if isinstance(each, str)))  # they may be words of a command
            return [next(texts) if isinstance(each, str) else self._inside(each) for each in value]
        if isinstance(value, dict):
            return {self.text(k): MASK if self.is_secret(k) else self._inside(v) for k, v in value.items()}
        return MASK if self._pattern and self._pattern.fullmatch(str(value)) else value


class StreamRedactor:
    """Takes secret values out of bytes that come in pieces cut anywhere. It holds back as many bytes as the longest value."""

    def __init__(self, values: Iterable[str]) -> None:
        found = sorted((value.encode() for value in spellings(values)), key=lambda value: (-len(value), value))
        self._longest = max(map(len, found), default=0)
        self._pattern = re.compile(b"|".join(re.escape(value) for value in found)) if found else None
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """What may be kept now that `piece` has come."""
        if self._pattern is None:
            return piece
        held = self._held + piece
        return self._clean(held, len(held) - self._longest + 1)

    def finish(self) -> bytes:
        """The rest, when no more comes."""
        return self._clean(self._held, len(self._held)) if self._pattern else b""

    def _clean(self, held: bytes, decided: int) -> bytes:
        """Cleans what begins before `decided`: a match that begins there cannot become another when more comes."""
        assert self._pattern is not None
        kept: list[bytes] = []
        at = 0
        for match in self._pattern.finditer(held):
            if match.start() >= decided:
                break
            kept += [held[at : match.start()], MASK.encode()]
            at = match.end()
        end = max(at, decided)
        kept.append(held[at:end])
        self._held = held[end:]
        return b"".join(kept)


def spellings(values: Iterable[str]) -> set[str]:
    """`values` and how else they appear in what programs write: as JSON and URLs spell them, and line by line."""
    found: set[str] = set()
    for value in values:
        parts = [value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= SHORTEST_VALUE)]
        for part in filter(None, parts):
            as_json = {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]}
            found |= {part, quote(part, safe=""), quote(part), repr(part)[1:-1], *as_json}
    return found


def secret_values(variables: Mapping[str, str], names: Sequence[str] = DEFAULT_NAMES) -> tuple[str, ...]:
    """The values of the environment variables whose names are secret and the passwords in URLs of others, when long enough to be
    looked for."""
    known = Redactor(names)
    found = {value for name, value in variables.items() if known.is_secret(name)}
    found |= {match["value"] for value in variables.values() for match in _USERINFO.finditer(value)}
    return tuple(sorted(value for value in found if len(value) >= SHORTEST_VALUE))


def _secret_words(redactor: Redactor, argv: Iterable[str]) -> Iterable[str]:
    previous = ""
    for word in argv:
        if _is_flag_of_secret(redactor, previous) and not word.startswith("--"):
            yield word
        if previous in _LOGIN_FLAGS and ":" in word:
            yield word.partition(":")[2]
        for pattern in (_ASSIGNMENT, _FLAG):
            yield from (_unquoted(m["value"]) for m in pattern.finditer(word) if redactor.is_secret(m["name"]))
        yield from (m["value"] for pattern in (_USERINFO, _BEARER, _LOGIN) for m in pattern.finditer(word))
        yield from (m[0] for m in _ISSUED.finditer(word))
        previous = word


def _is_flag_of_secret(redactor: Redactor, word: str) -> bool:
    """Whether the next word of a command is its secret value."""
    return word.startswith("-") and "=" not in word and redactor.is_secret(word)


def _secret_inside(redactor: Redactor, name: str, value: object) -> Iterable[str]:
    """The secret values at any depth of a value of this name."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _secret_inside(redactor, name if redactor.is_secret(name) else str(key), each)
    elif isinstance(value, list) and redactor.is_secret(name):
        yield from map(str, value)
    elif isinstance(value, list):
        yield from _secret_words(redactor, [each for each in value if isinstance(each, str)])
        for each in value:
            if not isinstance(each, str):
                yield from _secret_inside(redactor, name, each)
    elif redactor.is_secret(name):
        yield str(value)
    elif isinstance(value, str):
        yield from _secret_words(redactor, [value])


def _unquoted(value: str) -> str:
    return value[1:-1] if value[:1] in "\"'" and value[:1] == value[-1:] and len(value) > 1 else value
