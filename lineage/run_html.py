"""A run as a notebook shows it: what it was, what it read and wrote, how it ended."""

from datamon.lineage.records import Run
from datamon.store.clock import timestamp
from datamon.store.html_text import facts_html


def run_html(run: Run) -> str:
    """The run's facts as a table."""
    opened, closed = run.opened, run.closed
    took = f"{(run.ended_ns - opened.started_ns) / 1e9:.3f} s" if run.ended_ns is not None else None
    inputs = [f"{each.repo_name}{f'@{each.ref}' if each.ref else ''} {each.bundle}" for each in run.inputs]
    facts = [
        ("step", f"{opened.pipeline}/{opened.step}"),
        ("status", run.status),
        ("error", closed.error if closed else None),
        ("started", timestamp(opened.started_ns)),
        ("took", took),
        ("params", ", ".join(f"{param.name} = {param.value!r}" for param in opened.params)),
        ("read", ", ".join(inputs)),
        ("wrote", ", ".join(f"{each.repo_name}@{each.branch} {each.bundle}" for each in run.outputs)),
        ("code", opened.code.fingerprint[:12] if opened.code.fingerprint else None),
    ]
    return facts_html(f"run {run.id}", facts)
