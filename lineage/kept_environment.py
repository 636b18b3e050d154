"""The environment of a run, kept once under its hash."""

from dataclasses import replace
from weakref import WeakKeyDictionary

from blake3 import blake3

from datamon.lineage.cleaning import clean_text
from datamon.lineage.records import Environment
from datamon.lineage.secrets import MASK, Redactor
from datamon.store import layout
from datamon.store.backend import Backend, has_durably
from datamon.store.codec import FORMAT, encode
from datamon.store.opening import Store

_KEPT: WeakKeyDictionary[Backend, frozenset[str]] = WeakKeyDictionary()
"""The environment that was last made sure of in each place: nothing ever takes one away."""


def keep_environment(store: Store, environment: Environment | None, redactor: Redactor) -> str | None:
    """The hash under which the environment is kept when this returns."""
    if environment is None:
        return None
    variables = {
        name: MASK if redactor.is_secret(name) else redactor.line(value)
        for name, value in environment.variables.items()
    }
    kept = replace(
        environment,
        variables=variables,
        container=clean_text(environment.container, redactor),
        image=clean_text(environment.image, redactor),
    )
    content = encode({"format": FORMAT, **kept.to_record()})
    digest = blake3(content).hexdigest()
    if digest not in _KEPT.get(store.metadata, ()):
        key = layout.environment(digest)
        if not has_durably(store.metadata, key):
            store.metadata.put(key, content)
        _KEPT[store.metadata] = frozenset([digest])
    return digest
