"""Addresses: `datamon://repo@ref/path`, and what one names."""

from dataclasses import dataclass

from datamon.errors import Invalid
from datamon.store.entries import clean_path
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.resolve import Reference, parse_reference

PROTOCOL = "datamon"
_LEAD = f"{PROTOCOL}://"


@dataclass(frozen=True, slots=True)
class Address:
    """What an address names. `repo` "" is the store, whose repos are below it; `ref` None is the head of `main`, and "" the refs
    of the repo; `path` "" is the whole bundle."""

    repo: str
    ref: str | None
    path: str

    def __str__(self) -> str:
        above = self.repo if self.ref is None else f"{self.repo}@{self.ref}"
        return f"{above}/{self.path}" if self.path else above

    @property
    def reference(self) -> Reference:
        """The bundle that it is in."""
        return Reference(self.repo, self.ref or None, "")

    @property
    def branch(self) -> str:
        """The branch that a write to it would go to."""
        return self.ref or DEFAULT_BRANCH

    def at(self, path: str) -> "Address":
        """Another path in the same place."""
        return Address(self.repo, self.ref, path)


def parse_address(text: str) -> Address:
    """The parts of `repo@ref/path`, `repo/path`, `repo@ref`, `repo`, `repo@` (the repo's refs) or nothing (the repos), with
    `datamon://` before it or not; a `:` may stand in place of the first `/`. Raises Invalid (`bad-reference`, `bad-name`,
    `bad-path`).

    >>> parse_address("datamon://orders@v1/parts/a.csv")
    Address(repo='orders', ref='v1', path='parts/a.csv')
    >>> parse_address("orders:parts/a.csv")
    Address(repo='orders', ref=None, path='parts/a.csv')
    """
    plain = text.removeprefix(_LEAD)
    head, slash, path = plain.partition("/")
    if not head:
        if path.strip("/"):
            raise Invalid("bad-reference", f"the address {text!r} names no repo; write REPO@REF/PATH", text=text)
        return Address("", None, "")
    head, _, begin = head.partition(":")
    path = clean_path(f"{begin}{slash}{path}".lstrip("/"))
    if head.endswith("@"):
        if path:
            raise Invalid(
                "bad-reference", f"the address {text!r} names no ref after '@'; write REPO@REF/PATH", text=text
            )
        return Address(parse_reference(head[:-1]).repo, "", "")
    named = parse_reference(head)
    return Address(named.repo, named.ref, path)
