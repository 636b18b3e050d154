"""What nodes are called, as the engine of this machine calls them (`sources.closure.Names`)."""


def named(name: str, nodes: str) -> str:
    """The definition of `<name>(kind, id, name, repo, ref, deleted)` for the rows `(kind, id)` of the relation `nodes`:
    `repo@ref` where a
    ref points at a bundle, else `repo@id`; `pipeline/step` for a run. Of several refs the first label, else the first
    branch."""
    return f"""{name}(kind, id, name, repo, ref, deleted) AS (
    SELECT n.kind, n.id, r.pipeline || '/' || r.step, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), FALSE
    FROM {nodes} AS n LEFT JOIN with_system.runs AS r ON r.id = n.id
    WHERE n.kind = 'run'
    UNION ALL
    SELECT n.kind, n.id, b.repo || '@' || coalesce(l.name, h.name, n.id), b.repo, coalesce(l.name, h.name),
        coalesce(b.deleted, FALSE)
    FROM {nodes} AS n LEFT JOIN with_system.bundles AS b ON b.id = n.id
    LEFT JOIN (SELECT bundle, min(name) AS name FROM with_system.labels GROUP BY bundle) AS l ON l.bundle = n.id
    LEFT JOIN (SELECT bundle, min(name) AS name FROM with_system.branches GROUP BY bundle) AS h ON h.bundle = n.id
    WHERE n.kind = 'bundle'
)"""
