"""`input`: a part was read through a ref, and that ref gives other content for it now."""

SQL = """    SELECT j.production, 'input', i.repo || '@' || i.ref || CASE WHEN i.path = '' THEN '' ELSE ':' || i.path END,
        i.content, i.now
    FROM judged AS j JOIN (
        SELECT f.run, f.repo, f.ref, f.path, f.content, CASE
            WHEN h.bundle IS NULL THEN NULL
            WHEN h.bundle = f.bundle THEN f.content
            WHEN f.path <> '' THEN c.content
            ELSE b.content END AS now
        FROM (
            SELECT f.run, f.repo, f.ref, f.bundle, f.path, f.content FROM follows AS f
            WHERE NOT EXISTS (SELECT 1 FROM observed AS o WHERE o.run = f.run AND o.role = f.role)
            UNION ALL
            SELECT f.run, f.repo, f.ref, f.bundle, r.path, r.content
            FROM follows AS f JOIN read_part AS r ON r.run = f.run AND r.role = f.role
        ) AS f
        LEFT JOIN held AS h ON h.repo = f.repo AND h.name = f.ref
        LEFT JOIN bundle AS b ON b.id = h.bundle
        LEFT JOIN content_now AS c ON c.bundle = h.bundle AND c.path = f.path
    ) AS i ON i.run = j.run
    WHERE i.now IS DISTINCT FROM i.content"""
