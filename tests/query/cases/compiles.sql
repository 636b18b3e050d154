-- A statement, and after the arrow the SELECT that it is. Sources stand as relations of their own, numbered by their words.
UPSTREAM OF 'model@prod'
-->
SELECT * FROM upstream_1
;;
DOWNSTREAM OF 'orders@b3f1' WITHIN 2 AT run;
-->
SELECT * FROM downstream_1
;;
stale
-->
SELECT * FROM stale_1
;;
WHAT PRODUCED 'model@prod'
-->
SELECT * FROM produced_1
;;
WHAT USED 'orders@b3f1'
-->
SELECT * FROM downstream_1
;;
WHAT IS STALE
-->
SELECT * FROM stale_1
;;
What Is Stale In 'features' Because code ORDER BY distance LIMIT 5
-->
FROM stale_1 ORDER BY distance LIMIT 5
;;
WHY IS 'features' STALE
-->
SELECT * FROM stale_1
;;
FROM STALE WHERE cause = 'code'
-->
FROM stale_1 WHERE cause = 'code'
;;
FROM UPSTREAM OF 'report@2026Q3' STOP AT (repo LIKE 'raw%')
-->
FROM upstream_1
;;
SELECT u.name, r.started FROM UPSTREAM OF 'a' u JOIN runs r ON r.id = u.id, STALE OF 'b' AS s WHERE u.depth < 3
-->
SELECT u.name, r.started FROM upstream_1 u JOIN runs r ON r.id = u.id, stale_1 AS s WHERE u.depth < 3
;;
WITH u AS (UPSTREAM OF $ref INCLUDING failed, deleted) SELECT count(*) FROM u
-->
WITH u AS (FROM upstream_1) SELECT count(*) FROM u
;;
SELECT * FROM (UPSTREAM OF 'a' WITHIN 1) x
-->
SELECT * FROM (FROM upstream_1) x
;;
SELECT (SELECT max(depth) FROM UPSTREAM OF 'a') AS deepest, id FROM runs
-->
SELECT (SELECT max(depth) FROM upstream_1) AS deepest, id FROM runs
;;
FROM STALE OF 'a' UNION ALL STALE OF 'b' UNION ALL (FROM STALE OF 'c')
-->
FROM stale_1 UNION ALL FROM stale_2 UNION ALL (FROM stale_3)
;;
SELECT * FROM runs LEFT JOIN (STALE) s ON s.output = runs.id
-->
SELECT * FROM runs LEFT JOIN (FROM stale_1) s ON s.output = runs.id
;;
SELECT * FROM upstream('model@prod', within := 2, at := 'run', including := ['failed', 'deleted']) u
-->
SELECT * FROM upstream_1 u
;;
FROM downstream(run '7c2e', stop_at := 'repo LIKE ''raw%''') WHERE depth > 1
-->
FROM downstream_1 WHERE depth > 1
;;
FROM stale()
-->
FROM stale_1
;;
upstream('a')
-->
SELECT * FROM upstream_1
;;
WITH a AS (SELECT 1 AS one) STALE
-->
WITH a AS (SELECT 1 AS one) FROM stale_1
;;
SELECT id IN (SELECT id FROM UPSTREAM OF 'a') AS above FROM runs
-->
SELECT id IN (SELECT id FROM upstream_1) AS above FROM runs
;;
WITH stale AS (SELECT 1 AS one) SELECT * FROM stale
-->
WITH stale AS (SELECT 1 AS one) SELECT * FROM stale
;;
WITH stale(one) AS NOT MATERIALIZED (SELECT 1) SELECT * FROM stale
-->
WITH stale(one) AS NOT MATERIALIZED (SELECT 1) SELECT * FROM stale
;;
WITH "upstream"(one, two) AS (SELECT 1, 2) SELECT * FROM upstream
-->
WITH "upstream"(one, two) AS (SELECT 1, 2) SELECT * FROM upstream
;;
SELECT * FROM STALE AS s WHERE (s.cause = 'code') ORDER BY s.distance
-->
SELECT * FROM stale_1 AS s WHERE (s.cause = 'code') ORDER BY s.distance
;;
FROM STALE AS s JOIN (SELECT id FROM runs) AS r ON r.id = s.output
-->
FROM stale_1 AS s JOIN (SELECT id FROM runs) AS r ON r.id = s.output
;;
SELECT count(stale), sum(upstream) FROM (SELECT 1 AS stale, 2 AS upstream) AS stale
-->
SELECT count(stale), sum(upstream) FROM (SELECT 1 AS stale, 2 AS upstream) AS stale
;;
SELECT 1 AS stale_1 FROM STALE
-->
SELECT 1 AS stale_1 FROM stale_2
;;
SELECT a.x IS DISTINCT FROM stale, '-- STALE' AS "FROM STALE" FROM a
-->
SELECT a.x IS DISTINCT FROM stale, '-- STALE' AS "FROM STALE" FROM a
;;
SELECT extract(year FROM stale), trim(both FROM upstream) FROM (SELECT 1 AS stale, '' AS upstream)
-->
SELECT extract(year FROM stale), trim(both FROM upstream) FROM (SELECT 1 AS stale, '' AS upstream)
;;
SELECT /* FROM STALE */ id FROM runs -- UPSTREAM OF 'x'
-->
SELECT /* FROM STALE */ id FROM runs -- UPSTREAM OF 'x'
;;
FROM runs SELECT id WHERE status = $status ORDER BY started DESC LIMIT 3
-->
FROM runs SELECT id WHERE status = $status ORDER BY started DESC LIMIT 3
;;
EXPLAIN FROM DOWNSTREAM OF file 'patients:p/1234.json' INCLUDING deleted
-->
FROM downstream_1
