"""`appeared`: a path inside an input that the run looked for in vain is there now."""

SQL = """    SELECT j.production, 'appeared', f.repo || '@' || f.ref || ':' || a.path, CAST(NULL AS VARCHAR), c.content
    FROM judged AS j JOIN follows AS f ON f.run = j.run
    JOIN sought AS a ON a.run = f.run AND a.role = f.role
    JOIN held AS h ON h.repo = f.repo AND h.name = f.ref AND h.bundle <> f.bundle
    JOIN content_now AS c ON c.bundle = h.bundle AND c.path = a.path"""
