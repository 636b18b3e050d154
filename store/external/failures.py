"""The four ways in which a source fails, each with its own code."""

from datamon.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from datamon.store.external.source import Status
from datamon.store.external.urls import Url

CHANGED = "source-changed"


def changed(url: Url, how: str) -> Conflict:
    """What lies at the URL is not what was meant."""
    return Conflict(CHANGED, f"{url} is not what it was ({how}); link it again to take it as it is now", url=url.text)


def gone(url: Url) -> NotFound:
    """Nothing lies at the URL."""
    return NotFound(
        "source-not-found", f"there is nothing at {url}; correct the URL, or put back what was there", url=url.text
    )


def refused(url: Url, reason: str) -> Denied:
    """The place refuses to give it."""
    return Denied(
        "source-denied", f"{url} may not be read ({reason}); check the credentials and their rights", url=url.text
    )


def unreachable(url: Url, reason: object) -> Unavailable:
    """The place does not answer, or not to the end."""
    shown = str(reason).partition("\n")[0][:200] or type(reason).__name__
    return Unavailable("source-unavailable", f"{url} cannot be read now ({shown}); try again later", url=url.text)


def missing_extra(url: Url, error: ImportError) -> Invalid:
    """The library for the scheme is not installed."""
    message = f"{url.scheme}:// needs the package {error.name}; install it with: pip install 'datamon[external]'"
    return Invalid("missing-extra", message, extra="external", url=url.text)


def check_size(url: Url, at: Status, now: Status) -> None:
    """Returns when the place says the same size twice. Raises Conflict (`source-changed`)."""
    if at.size_bytes != now.size_bytes:
        raise changed(url, f"it has {now.size_bytes} bytes where it had {at.size_bytes}")
