"""Which statements have a quick answer, told from their words: everyday questions in their plain forms.

What is not surely one of them is left to the language's parser: of each statement that is taken here, the parser says the same
(a test holds that).
"""

from __future__ import annotations

_KEYWORDS_AT_MOST = 32
_LEVELS = ("run", "bundle")
_SEEN = ("failed", "deleted", "system")
_FORMS = ("RUN", "STEP", "BUNDLE")
_USED = ("WITHIN", "INCLUDING")
ABOUT_STALENESS = ("stale", "why")
"""What is asked of a judgement."""

Word = tuple[str, str]
"""What kind a word is (`word`, `string`, `number` or a mark), and what it says."""


class Spoken:
    """A question. `asks` is `produced`, `closure`, `stale` (of what the repo `ref` holds; "" for all) or `why` (is `ref`
    stale); a closure goes in `direction` from the reference `ref` of a `form` (`plain`,
    `bundle`, `run`, `step`), keeps nodes of the kind `at`, ends `within` so many runs, and is given as rows or `counted`."""

    __slots__ = ("asks", "at", "counted", "direction", "form", "including", "limit", "ref", "to", "within")

    def __init__(self, asks: str, form: str, ref: str) -> None:
        self.asks = asks
        self.form = form
        self.ref = ref
        self.direction = "upstream"
        self.at = "any"
        self.within: int | None = None
        self.including: frozenset[str] = frozenset()
        self.counted = False
        self.to = ("", "")
        self.limit: int | None = None


def spoken(text: str) -> Spoken | None:
    """The question that a statement asks; None when it is not one of those that have a quick answer, or nearly.

    >>> asked = spoken("upstream of 'model@prod' within 3")
    >>> asked.ref, asked.direction, asked.within
    ('model@prod', 'upstream', 3)
    """
    words = _words(text)
    if not words:
        return None
    keywords = [value.upper() if kind == "word" else "" for kind, value in words[:_KEYWORDS_AT_MOST]]
    if keywords[:2] == ["WHAT", "PRODUCED"]:
        asked = _reference("produced", words[2:4])
        return asked if asked and asked.form in ("plain", "bundle") and len(words) == _end(asked, 2) else None
    if keywords[:2] == ["WHY", "IS"] and keywords[-1] == "STALE":
        asked = _reference("why", words[2:4])
        return asked if asked and asked.form in ("plain", "bundle") and len(words) == _end(asked, 2) + 1 else None
    if keywords[:4] == ["WHAT", "IS", "STALE", "IN"]:
        return Spoken("stale", "plain", words[4][1]) if len(words) == 5 and words[4][0] == "string" else None
    if keywords in (["WHAT", "IS", "STALE"], ["STALE"]):
        return Spoken("stale", "plain", "")
    if keywords[:2] == ["PATHS", "FROM"] or keywords[:3] == ["FROM", "PATHS", "FROM"]:
        return _paths(words, 1 if keywords[0] == "FROM" else 0)
    counted = [value.upper() for _, value in words[:6]] == ["SELECT", "COUNT", "(", "*", ")", "FROM"]
    if counted:
        words, keywords = words[6:], keywords[6:]
        if keywords == ["STALE"]:
            asked = Spoken("stale", "plain", "")
            asked.counted = True
            return asked
    used = keywords[:2] == ["WHAT", "USED"] and not counted
    if not used and keywords[:2] not in (["UPSTREAM", "OF"], ["DOWNSTREAM", "OF"]):
        return None
    asked = _reference("closure", words[2:4])
    if asked is None:
        return None
    asked.counted = counted
    asked.direction = "upstream" if keywords[0] == "UPSTREAM" else "downstream"
    if not _options(asked, words[_end(asked, 2) :], set(_USED) if used else {"AT", *_USED}):
        return None
    if used:
        asked.at, asked.within = "run", 1
    return asked


def _paths(words: list[Word], at: int) -> Spoken | None:
    asked = _reference("paths", words[at + 2 : at + 4])
    if asked is None or asked.form not in ("plain", "bundle"):
        return None
    after = _end(asked, at + 2)
    end = _reference("paths", words[after + 1 : after + 3])
    if end is None or end.form not in ("plain", "bundle") or words[after][1].upper() != "TO":
        return None
    asked.to = end.form, end.ref
    rest = words[_end(end, after + 1) :]
    if at == 1 and len(rest) == 2 and rest[0][1].upper() == "LIMIT" and rest[1][0] == "number" and len(rest[1][1]) < 10:
        asked.limit = int(rest[1][1])
        return asked
    return None if rest else asked


def _end(asked: Spoken, start: int) -> int:
    return start + (1 if asked.form == "plain" else 2)


def _reference(asks: str, words: list[Word]) -> Spoken | None:
    if words and words[0][0] == "string":
        return Spoken(asks, "plain", words[0][1])
    if len(words) == 2 and words[0][0] == "word" and words[0][1].upper() in _FORMS and words[1][0] == "string":
        return Spoken(asks, words[0][1].lower(), words[1][1])
    return None


def _options(asked: Spoken, words: list[Word], allowed: set[str]) -> bool:
    """Whether these words are options, which the question has then."""
    at = 0
    left = set(allowed)
    while at < len(words):
        option = words[at][1].upper() if words[at][0] == "word" else ""
        after = words[at + 1] if at + 1 < len(words) else ("", "")
        if option not in left:
            return False
        left.remove(option)
        at += 2
        if option == "AT":
            asked.at = after[1].lower()
            if after[0] != "word" or asked.at not in _LEVELS:
                return False
        elif option == "WITHIN":
            if after[0] != "number" or len(after[1]) > 9:
                return False
            asked.within = int(after[1])
        else:
            kept = [after]
            while at + 1 < len(words) and words[at] == (",", ","):
                kept.append(words[at + 1])
                at += 2
            if any(kind != "word" or value.lower() not in _SEEN for kind, value in kept):
                return False
            asked.including = frozenset(value.lower() for _, value in kept)
    return True


def _words(text: str) -> list[Word] | None:
    """The words of a statement in ASCII; None when it has something else than words, numbers, plain strings and a few marks."""
    if not text.isascii() or len(text) > 1_000:
        return None
    words: list[Word] = []
    at = 0
    while at < len(text):
        start = text[at]
        end = at + 1
        if start in " \t\n":
            at += 1
            continue
        if start == "'":
            end = text.find("'", at + 1) + 1
            if end == 0 or text[end : end + 1] == "'" or "\\" in text[at:end]:
                return None
            words.append(("string", text[at + 1 : end - 1]))
            if text[end : end + 1] not in ("", " ", "\n", "\t"):
                return None
        elif start.isalpha():
            while end < len(text) and (text[end].isalnum() or text[end] == "_"):
                end += 1
            if text[end : end + 1] == "'":
                return None
            words.append(("word", text[at:end]))
        elif start.isdigit():
            while end < len(text) and text[end].isdigit():
                end += 1
            if text[end : end + 1] not in ("", " ", "\n", "\t"):
                return None
            words.append(("number", text[at:end]))
        elif start in "(*),":
            words.append((start, start))
        else:
            return None
        at = end
    return words
