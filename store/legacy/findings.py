"""What an import of an old store meets, as findings like those of a check."""

from datamon.errors import DatamonError
from datamon.store.check.findings import FINDING_CODES, Finding
from datamon.store.ids import BundleId, is_ksuid


def left_out(error: DatamonError, repo: str, bundle: str | None, what: str, path: str | None = None) -> Finding:
    """The damage because of which `what` does not come."""
    facts = error.facts
    code = error.code if error.code in FINDING_CODES else "bad-record"
    message = f"{error.message}; until then {what} is left out"
    named = path if path is not None else facts.get("path")
    return Finding(code, "damage", message, _text(facts.get("key")), repo, _bundle(bundle), _text(named))


def told(code: str, message: str, repo: str, bundle: str | None = None, key: str | None = None) -> Finding:
    """What a person should know, and no damage."""
    return Finding(code, "notice", message, key, repo, _bundle(bundle))


def refused(code: str, message: str, repo: str, bundle: str | None = None, key: str | None = None) -> Finding:
    """What is whole in the old store and cannot come all the same."""
    return Finding(code, "damage", message, key, repo, _bundle(bundle))


def _bundle(text: str | None) -> BundleId | None:
    return BundleId(text) if text is not None and is_ksuid(text) else None


def _text(fact: object) -> str | None:
    return fact if isinstance(fact, str) else None
