"""`param`: a value from a file or a default left alone is another there now."""

SQL = """    SELECT j.production, 'param', p.name, p.value, k.value
    FROM judged AS j JOIN main.params AS p ON p.run = j.run
    JOIN param_now AS k ON k.run = p.run AND k.name = p.name
    WHERE p.source <> 'explicit' AND k.value IS DISTINCT FROM p.value"""
