"""`code`: the step's fingerprint now differs from the run's; elsewhere that of the newest run of the slot."""

SQL = """    SELECT j.production, 'code', j.pipeline || '/' || j.step, j.fingerprint,
        CASE WHEN k.run IS NULL THEN n.fingerprint ELSE k.fingerprint END
    FROM judged AS j
    JOIN newest AS n ON n.pipeline = j.pipeline AND n.step = j.step AND n.role = j.role AND n.repo = j.repo
        AND n.branch = j.branch
    LEFT JOIN code_now AS k ON k.run = j.run
    WHERE j.fingerprint IS NOT NULL AND (k.run IS NOT NULL OR n.fingerprint IS NOT NULL)
        AND CASE WHEN k.run IS NULL THEN n.fingerprint ELSE k.fingerprint END IS DISTINCT FROM j.fingerprint"""
