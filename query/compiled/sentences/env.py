"""`env`: a part of the environment that the step's policy names differs; now is the environment here, else that of the
newest run of the slot that names the part."""

SQL = """    SELECT j.production, 'env', p.name, p.value, CASE WHEN k.run IS NULL THEN n.value ELSE k.value END
    FROM judged AS j JOIN kept.policies AS p ON p.run = j.run
    LEFT JOIN env_now AS k ON k.run = p.run AND k.name = p.name
    JOIN (
        SELECT q.pipeline, q.step, q.role, q.repo, q.branch, o.name, o.value, row_number() OVER (
            PARTITION BY q.pipeline, q.step, q.role, q.repo, q.branch, o.name
            ORDER BY q.position DESC, q.run DESC, q.production) AS place
        FROM production AS q JOIN kept.policies AS o ON o.run = q.run
    ) AS n ON n.pipeline = j.pipeline AND n.step = j.step AND n.role = j.role AND n.repo = j.repo AND n.branch = j.branch
        AND n.name = p.name AND n.place = 1
    WHERE CASE WHEN k.run IS NULL THEN n.value ELSE k.value END IS DISTINCT FROM p.value"""
