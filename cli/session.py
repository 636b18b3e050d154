"""The store of a Python process: opened once for the same settings, used by `datamon.open_store`, `ask`, `step` and `run`."""

import os
import time
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from os import PathLike
from pathlib import Path

from datamon.cli.environment import process_environment, working_directory
from datamon.cli.globals import Globals
from datamon.cli.opening import open_settled, policy_of
from datamon.cli.settings import Settings, load_settings
from datamon.lineage.carrying import carry
from datamon.lineage.context import RunOpener, make_run
from datamon.lineage.decorators import Step, make_step
from datamon.lineage.recording import Policy
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Session:
    """An open store and what recordings into it keep and hide."""

    store: Store
    policy: Policy


def open_session(
    place: "str | PathLike[str] | None" = None,
    *,
    context: str | None = None,
    config: "str | PathLike[str] | None" = None,
) -> Session:
    """The store at `place`, or the one that the settings name. Asked again with the same settings, it is the same one; a forked
    process opens its own. Raises as `load_settings` and `open_store`."""
    settings = load_settings(Globals(config=Path(config) if config is not None else None, context=context))
    if place is not None:
        settings = replace(settings, metadata=os.fspath(place), blob=os.fspath(place), mirror=None)
    return Session(_store(settings, os.getpid()), policy_of(settings))


@cache
def _store(settings: Settings, process: int) -> Store:  # noqa: ARG001 (the process is part of the key)
    return open_settled(settings)


def recorded_step() -> Step:
    """The decorator `datamon.step`: the settings are looked at when a decorated function is called. What a step
    starts is from now on inside it (`carry`)."""
    carry(process_environment)
    return make_step(_store_now, policy=_policy_now)


def recorded_run() -> RunOpener:
    """The function `datamon.run`: the settings are looked at when its block begins."""
    carry(process_environment)
    return make_run(_store_now, policy=_policy_now)


def _store_now() -> Store:
    return session_now().store


def _policy_now() -> Policy:
    return session_now().policy


def session_now() -> Session:
    """As `open_session`; in the same surroundings settings are read once a second."""
    return _now((os.getpid(), str(working_directory()), tuple(process_environment().items())), int(time.monotonic()))


@lru_cache(maxsize=4)
def _now(surroundings: object, second: int) -> Session:  # noqa: ARG001 (what the settings hang on)
    return open_session()
