"""`superseded`: the newest later run of the slot with the same params put other content."""

_GIVEN = """(
        SELECT q.*, coalesce(g.params, '') AS params FROM production AS q LEFT JOIN (
            SELECT d.run, string_agg(d.pair, chr(2) ORDER BY d.pair) AS params
            FROM (SELECT DISTINCT p.run, p.name || chr(1) || p.value AS pair FROM main.params AS p) AS d
            GROUP BY d.run
        ) AS g ON g.run = q.run
    )"""

SQL = f"""    SELECT j.production, 'superseded', j.repo || '@' || j.branch, j.content, n.content
    FROM judged AS j JOIN {_GIVEN} AS a ON a.production = j.production
    JOIN (
        SELECT s.*, row_number() OVER (
            PARTITION BY s.pipeline, s.step, s.role, s.repo, s.branch, s.params
            ORDER BY s.position DESC, s.run DESC, s.production) AS place
        FROM {_GIVEN} AS s
    ) AS n ON n.pipeline = j.pipeline AND n.step = j.step AND n.role = j.role AND n.repo = j.repo AND n.branch = j.branch
        AND n.params = a.params AND n.place = 1
    WHERE n.content <> j.content"""
