"""What was recorded, as staleness asks for it: what refs hold, what was read and written, and each output's place in its slot."""

from datamon.query.language.statement import Using


def relations(using: Using) -> list[str]:
    """Definitions of `bundle`, `held`, `follows`, `production`, `writer` and `last_status`. Of the reads those count that `using`
    says."""
    seen = (
        ""
        if using != "observed"
        else " AND (i.run, i.role) IN (SELECT k.run, k.role FROM kept.inputs AS k WHERE k.observed)"
    )
    counted = "'declared', 'imported'" + ("" if using == "declared" else ", 'observed'")
    return [
        _BUNDLES,
        _HELD,
        _FOLLOWS.format(counted=counted, seen=seen),
        _REPLACED,
        _PRODUCTIONS,
        _WRITERS,
        _PLACES,
        _LAST,
    ]


_BUNDLES = "bundle AS (SELECT b.id, b.repo, b.content, b.run FROM main.bundles AS b)"
_HELD = """held(repo, name, bundle, frozen) AS (
    SELECT l.repo, l.name, l.bundle, l.frozen FROM main.labels AS l
    UNION ALL
    SELECT h.repo, h.name, h.bundle, FALSE FROM main.branches AS h
)"""
_FOLLOWS = """follows(run, role, repo, ref, bundle, path, content) AS (
    SELECT i.run, i.role, i.repo, i.ref, i.bundle, i.path, i.content FROM main.inputs AS i
    WHERE i.how IN ({counted}) AND i.ref IS NOT NULL AND i.ref_kind IN ('branch', 'label'){seen}
)"""
_REPLACED = """stands(made, bundle) AS (
    SELECT d.bundle, d.replaced_by FROM kept.deletions AS d WHERE d.replaced_by IS NOT NULL
    UNION
    SELECT s.made, d.replaced_by FROM stands AS s JOIN kept.deletions AS d ON d.bundle = s.bundle
    WHERE d.replaced_by IS NOT NULL
)"""
# What stands in for a deleted output counts as what the run put there: it has the position of the deleted one.
_PRODUCTIONS = """production AS (
    SELECT row_number() OVER (ORDER BY b.position, r.id, w.role, w.branch, b.id) AS production, r.id AS run, r.pipeline, r.step,
        w.role, coalesce(k.shown, w.repo_name) AS repo, w.branch, b.id AS bundle, b.repo AS bundle_repo, b.content,
        m.position, r.fingerprint
    FROM kept.outputs AS w JOIN main.runs AS r ON r.id = w.run
    JOIN kept.bundles AS m ON m.repo = w.repo AND m.id = w.bundle
    LEFT JOIN kept.repos AS k ON k.id = w.repo
    LEFT JOIN (
        SELECT s.made, s.bundle FROM stands AS s
        WHERE s.bundle NOT IN (SELECT d.bundle FROM kept.deletions AS d WHERE d.replaced_by IS NOT NULL)
    ) AS s ON s.made = w.bundle
    JOIN (SELECT a.id, a.repo, a.content, c.position FROM bundle AS a JOIN kept.bundles AS c ON c.id = a.id) AS b
        ON b.id = coalesce(s.bundle, w.bundle)
    WHERE r.status = 'succeeded' AND m.position IS NOT NULL
)"""
# Of several runs that wrote one very bundle (imported ones) the one that it names, else the newest.
_WRITERS = """writer(bundle, production) AS (
    SELECT w.bundle, w.production FROM (
        SELECT p.bundle, p.production, row_number() OVER (
            PARTITION BY p.bundle
            ORDER BY CASE WHEN p.run = b.run THEN 0 ELSE 1 END, p.position DESC, p.run DESC, p.production) AS place
        FROM production AS p JOIN bundle AS b ON b.id = p.bundle
    ) AS w
    WHERE w.place = 1
)"""
_PLACES = """place(run, status, started, pipeline, step, role, repo, branch, nowhere) AS (
    SELECT r.id, r.status, r.started, r.pipeline, r.step, w.role, coalesce(k.shown, w.repo_name), w.branch, w.run IS NULL
    FROM main.runs AS r LEFT JOIN kept.outputs AS w ON w.run = r.id LEFT JOIN kept.repos AS k ON k.id = w.repo
)"""
# Of the slot's last started run; one that failed before it named an output counts for every slot of its step.
_LAST = """last_status(production, status) AS (
    SELECT f.production, f.status FROM (
        SELECT p.production, a.status, row_number() OVER (PARTITION BY p.production ORDER BY a.started DESC, a.run DESC) AS place
        FROM writer AS w JOIN production AS p ON p.production = w.production
        JOIN place AS a ON a.pipeline = p.pipeline AND a.step = p.step
            AND (a.nowhere OR (a.role = p.role AND a.repo = p.repo AND a.branch = p.branch))
    ) AS f
    WHERE f.place = 1
)"""
