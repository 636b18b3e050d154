-- A SELECT of DuckDB's dialect, and after the arrow the same for PostgreSQL.
SELECT id FROM runs
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs"
;;
FROM runs
-->
SELECT "runs"."id" AS "id", "runs"."pipeline" AS "pipeline", "runs"."step" AS "step", "runs"."status" AS "status", "runs"."parent" AS "parent", "runs"."started" AS "started", "runs"."ended" AS "ended", "runs"."duration_s" AS "duration_s", "runs"."author" AS "author", "runs"."email" AS "email", "runs"."host" AS "host", "runs"."command" AS "command", "runs"."cwd" AS "cwd", "runs"."code" AS "code", "runs"."git_commit" AS "git_commit", "runs"."dirty" AS "dirty", "runs"."remote" AS "remote", "runs"."fingerprint" AS "fingerprint", "runs"."exit_code" AS "exit_code", "runs"."signal" AS "signal", "runs"."error" AS "error", "runs"."environment" AS "environment", "runs"."how" AS "how", "runs"."reuse_key" AS "reuse_key", "runs"."reused" AS "reused", "runs"."level" AS "level", "runs"."retry_of" AS "retry_of", "runs"."attempt" AS "attempt" FROM "runs" AS "runs"
;;
FROM labels WHERE frozen
-->
SELECT "labels"."repo" AS "repo", "labels"."name" AS "name", "labels"."bundle" AS "bundle", "labels"."content" AS "content", "labels"."frozen" AS "frozen", "labels"."author" AS "author", "labels"."time" AS "time" FROM "labels" AS "labels" WHERE "labels"."frozen"
;;
SELECT * EXCLUDE (time, author) FROM labels
-->
SELECT "labels"."repo" AS "repo", "labels"."name" AS "name", "labels"."bundle" AS "bundle", "labels"."content" AS "content", "labels"."frozen" AS "frozen" FROM "labels" AS "labels"
;;
SELECT * REPLACE (upper(name) AS name) FROM labels
-->
SELECT "labels"."repo" AS "repo", UPPER("labels"."name") AS "name", "labels"."bundle" AS "bundle", "labels"."content" AS "content", "labels"."frozen" AS "frozen", "labels"."author" AS "author", "labels"."time" AS "time" FROM "labels" AS "labels"
;;
SELECT r.* FROM runs r JOIN outputs o ON o.run = r.id
-->
SELECT "r"."id" AS "id", "r"."pipeline" AS "pipeline", "r"."step" AS "step", "r"."status" AS "status", "r"."parent" AS "parent", "r"."started" AS "started", "r"."ended" AS "ended", "r"."duration_s" AS "duration_s", "r"."author" AS "author", "r"."email" AS "email", "r"."host" AS "host", "r"."command" AS "command", "r"."cwd" AS "cwd", "r"."code" AS "code", "r"."git_commit" AS "git_commit", "r"."dirty" AS "dirty", "r"."remote" AS "remote", "r"."fingerprint" AS "fingerprint", "r"."exit_code" AS "exit_code", "r"."signal" AS "signal", "r"."error" AS "error", "r"."environment" AS "environment", "r"."how" AS "how", "r"."reuse_key" AS "reuse_key", "r"."reused" AS "reused", "r"."level" AS "level", "r"."retry_of" AS "retry_of", "r"."attempt" AS "attempt" FROM "runs" AS "r" JOIN "outputs" AS "o" ON "o"."run" = "r"."id"
;;
SELECT count(*) FROM runs
-->
SELECT COUNT(*) AS "_col_0" FROM "runs" AS "runs"
;;
SELECT step, count(*) FROM runs GROUP BY step
-->
SELECT "runs"."step" AS "step", COUNT(*) AS "_col_1" FROM "runs" AS "runs" GROUP BY "runs"."step"
;;
SELECT step, count(*) FROM runs GROUP BY ALL
-->
SELECT "runs"."step" AS "step", COUNT(*) AS "_col_1" FROM "runs" AS "runs" GROUP BY 1
;;
SELECT step, status, count(*) FROM runs GROUP BY ALL ORDER BY ALL
-->
SELECT "runs"."step" AS "step", "runs"."status" AS "status", COUNT(*) AS "_col_2" FROM "runs" AS "runs" GROUP BY 1, 2 ORDER BY 1 ASC, 2 ASC, 3 ASC
;;
SELECT step FROM runs ORDER BY ALL DESC
-->
SELECT "runs"."step" AS "step" FROM "runs" AS "runs" ORDER BY 1 DESC NULLS LAST
;;
SELECT id FROM runs ORDER BY started DESC
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" ORDER BY "runs"."started" DESC NULLS LAST
;;
SELECT id FROM runs ORDER BY started NULLS FIRST
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" ORDER BY "runs"."started" NULLS FIRST
;;
SELECT id FROM runs ORDER BY started DESC LIMIT 10 OFFSET 5
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" ORDER BY "runs"."started" DESC NULLS LAST LIMIT 10 OFFSET 5
;;
SELECT DISTINCT step FROM runs
-->
SELECT DISTINCT "runs"."step" AS "step" FROM "runs" AS "runs"
;;
SELECT DISTINCT ON (step) step, id FROM runs ORDER BY step, started DESC
-->
SELECT DISTINCT ON ("step") "runs"."step" AS "step", "runs"."id" AS "id" FROM "runs" AS "runs" ORDER BY "step", "runs"."started" DESC NULLS LAST
;;
SELECT count(*) FILTER (status = 'failed') FROM runs
-->
SELECT COUNT(*) FILTER(WHERE "runs"."status" = 'failed') AS "_col_0" FROM "runs" AS "runs"
;;
SELECT count(*) FILTER (WHERE status = 'failed') FROM runs
-->
SELECT COUNT(*) FILTER(WHERE "runs"."status" = 'failed') AS "_col_0" FROM "runs" AS "runs"
;;
SELECT max_by(id, started) FROM runs
-->
SELECT (ARRAY_AGG("runs"."id" ORDER BY "runs"."started" DESC NULLS LAST) FILTER(WHERE NOT "runs"."id" IS NULL AND NOT "runs"."started" IS NULL))[1] AS "_col_0" FROM "runs" AS "runs"
;;
SELECT min_by(id, started) FROM runs
-->
SELECT (ARRAY_AGG("runs"."id" ORDER BY "runs"."started" ASC) FILTER(WHERE NOT "runs"."id" IS NULL AND NOT "runs"."started" IS NULL))[1] AS "_col_0" FROM "runs" AS "runs"
;;
SELECT arg_max(id, (started, id)) FROM runs GROUP BY step
-->
SELECT (ARRAY_AGG("runs"."id" ORDER BY ("runs"."started", "runs"."id") DESC NULLS LAST) FILTER(WHERE NOT "runs"."id" IS NULL))[1] AS "_col_0" FROM "runs" AS "runs" GROUP BY "runs"."step"
;;
SELECT list(id) FROM runs
-->
SELECT ARRAY_AGG("runs"."id") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT list(id ORDER BY started) FROM runs GROUP BY step
-->
SELECT ARRAY_AGG("runs"."id" ORDER BY "runs"."started") AS "_col_0" FROM "runs" AS "runs" GROUP BY "runs"."step"
;;
SELECT array_agg(id ORDER BY id) FROM runs
-->
SELECT ARRAY_AGG("runs"."id" ORDER BY "runs"."id") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT string_agg(step, ', ' ORDER BY step) FROM runs
-->
SELECT STRING_AGG("runs"."step", ', ' ORDER BY "runs"."step") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT if(exit_code = 0, 'good', 'bad') AS said FROM runs
-->
SELECT CASE WHEN "runs"."exit_code" = 0 THEN 'good' COLLATE "C" ELSE 'bad' COLLATE "C" END AS "said" FROM "runs" AS "runs"
;;
SELECT CASE status WHEN 'failed' THEN 'x' ELSE 'y' END FROM runs
-->
SELECT CASE "runs"."status" WHEN 'failed' THEN 'x' COLLATE "C" ELSE 'y' COLLATE "C" END AS "_col_0" FROM "runs" AS "runs"
;;
SELECT coalesce(error, 'none') FROM runs
-->
SELECT COALESCE("runs"."error", 'none') AS "_col_0" FROM "runs" AS "runs"
;;
SELECT started::DATE FROM runs
-->
SELECT CAST("runs"."started" AS DATE) AS "started" FROM "runs" AS "runs"
;;
SELECT CAST(exit_code AS VARCHAR) FROM runs
-->
SELECT CAST("runs"."exit_code" AS TEXT) AS "exit_code" FROM "runs" AS "runs"
;;
SELECT TRY_CAST(value AS DOUBLE) FROM params
-->
SELECT CAST("params"."value" AS DOUBLE PRECISION) AS "value" FROM "params" AS "params"
;;
SELECT started + INTERVAL 1 DAY FROM runs
-->
SELECT "runs"."started" + INTERVAL '1 DAY' AS "_col_0" FROM "runs" AS "runs"
;;
SELECT started > TIMESTAMP '2026-01-01' FROM runs
-->
SELECT "runs"."started" > CAST('2026-01-01' AS TIMESTAMP) AS "_col_0" FROM "runs" AS "runs"
;;
SELECT id FROM runs WHERE started > '2026-01-01'
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE "runs"."started" > '2026-01-01'
;;
SELECT date_trunc('day', started) FROM runs
-->
SELECT DATE_TRUNC('DAY', "runs"."started") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT extract(year FROM started) FROM runs
-->
SELECT EXTRACT(YEAR FROM "runs"."started") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT year(started) FROM runs
-->
SELECT EXTRACT(YEAR FROM "runs"."started") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT strftime(started, '%Y-%m') FROM runs
-->
SELECT TO_CHAR("runs"."started", 'YYYY-MM') AS "_col_0" FROM "runs" AS "runs"
;;
SELECT epoch(started) FROM runs
-->
SELECT DATE_PART('epoch', "runs"."started") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT date_diff('day', started, ended) FROM runs
-->
SELECT (CAST("runs"."ended" AS DATE) - CAST("runs"."started" AS DATE)) AS "_col_0" FROM "runs" AS "runs"
;;
SELECT 7 / 2
-->
SELECT CAST(7 AS DOUBLE PRECISION) / 2 AS "_col_0"
;;
SELECT 7 // 2
-->
SELECT DIV(7, 2) AS "_col_0"
;;
SELECT 2 ** 3
-->
SELECT POWER(2, 3) AS "_col_0"
;;
SELECT duration_s / 60 FROM runs
-->
SELECT CAST("runs"."duration_s" AS DOUBLE PRECISION) / 60 AS "_col_0" FROM "runs" AS "runs"
;;
SELECT exit_code % 2 FROM runs
-->
SELECT "runs"."exit_code" % 2 AS "_col_0" FROM "runs" AS "runs"
;;
SELECT 'a' || step FROM runs
-->
SELECT 'a' || "runs"."step" AS "_col_0" FROM "runs" AS "runs"
;;
SELECT concat(pipeline, '/', step) FROM runs
-->
SELECT CONCAT("runs"."pipeline", '/', "runs"."step") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT lower(name), length(name) FROM repos
-->
SELECT LOWER("repos"."name") AS "_col_0", LENGTH("repos"."name") AS "_col_1" FROM "repos" AS "repos"
;;
SELECT id FROM runs WHERE step LIKE 'tr%'
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE "runs"."step" LIKE 'tr%'
;;
SELECT id FROM runs WHERE step ILIKE 'TR%'
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE "runs"."step" ILIKE 'TR%'
;;
SELECT id FROM runs WHERE NOT (step = 'a' AND status <> 'b' OR step IS NULL)
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE NOT ("runs"."step" = 'a' AND "runs"."status" <> 'b' OR "runs"."step" IS NULL)
;;
SELECT id FROM runs WHERE step IN ('a', 'b')
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE "runs"."step" IN ('a', 'b')
;;
SELECT id FROM runs WHERE id IN (SELECT run FROM outputs)
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE "runs"."id" IN (SELECT "outputs"."run" AS "run" FROM "outputs" AS "outputs")
;;
SELECT id FROM runs WHERE (pipeline, step) IN (SELECT (pipeline, step) FROM steps)
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE ("runs"."pipeline", "runs"."step") IN (SELECT "steps"."pipeline", "steps"."step" FROM "steps" AS "steps")
;;
SELECT id FROM runs WHERE (pipeline, step) NOT IN (SELECT (pipeline, step) FROM steps)
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE NOT ("runs"."pipeline", "runs"."step") IN (SELECT "steps"."pipeline", "steps"."step" FROM "steps" AS "steps")
;;
SELECT id FROM runs WHERE EXISTS (SELECT 1 FROM outputs WHERE run = runs.id)
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE EXISTS(SELECT 1 AS "1" FROM "outputs" AS "outputs" WHERE "outputs"."run" = "runs"."id")
;;
SELECT id FROM runs WHERE duration_s BETWEEN 1 AND 2
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE "runs"."duration_s" BETWEEN 1 AND 2
;;
SELECT id FROM runs WHERE error IS DISTINCT FROM 'x'
-->
SELECT "runs"."id" AS "id" FROM "runs" AS "runs" WHERE "runs"."error" IS DISTINCT FROM 'x'
;;
SELECT regexp_matches(step, '^tr') FROM runs
-->
SELECT "runs"."step" ~ '^tr' AS "_col_0" FROM "runs" AS "runs"
;;
SELECT regexp_replace(step, 'a', 'b') FROM runs
-->
SELECT REGEXP_REPLACE("runs"."step", 'a', 'b') AS "_col_0" FROM "runs" AS "runs"
;;
SELECT split_part(name, '/', 1) FROM repos
-->
SELECT SPLIT_PART("repos"."name", '/', 1) AS "_col_0" FROM "repos" AS "repos"
;;
SELECT starts_with(name, 'a') FROM repos
-->
SELECT STARTS_WITH("repos"."name", 'a') AS "_col_0" FROM "repos" AS "repos"
;;
SELECT contains(name, 'a') FROM repos
-->
SELECT POSITION('a' IN "repos"."name") > 0 AS "_col_0" FROM "repos" AS "repos"
;;
SELECT parents[1] FROM bundles
-->
SELECT "bundles"."parents"[1] AS "0" FROM "bundles" AS "bundles"
;;
SELECT unnest(parents) FROM bundles
-->
SELECT UNNEST("bundles"."parents") AS "_col_0" FROM "bundles" AS "bundles"
;;
SELECT id FROM bundles WHERE list_contains(parents, 'x')
-->
SELECT "bundles"."id" AS "id" FROM "bundles" AS "bundles" WHERE CASE WHEN 'x' IS NULL THEN NULL ELSE COALESCE('x' = ANY("bundles"."parents"), FALSE) END
;;
SELECT id FROM bundles WHERE 'x' = ANY(parents)
-->
SELECT "bundles"."id" AS "id" FROM "bundles" AS "bundles" WHERE 'x' = ANY("bundles"."parents")
;;
SELECT [1, 2]
-->
SELECT ARRAY[1, 2] AS "_col_0"
;;
SELECT row_number() OVER (PARTITION BY step ORDER BY started DESC) FROM runs
-->
SELECT ROW_NUMBER() OVER (PARTITION BY "runs"."step" ORDER BY "runs"."started" DESC NULLS LAST) AS "_col_0" FROM "runs" AS "runs"
;;
SELECT id, row_number() OVER (PARTITION BY step ORDER BY id) AS n FROM runs QUALIFY n = 1
-->
SELECT "id", "n" FROM (SELECT "runs"."id" AS "id", ROW_NUMBER() OVER (PARTITION BY "runs"."step" ORDER BY "runs"."id") AS "n", ROW_NUMBER() OVER (PARTITION BY "runs"."step" ORDER BY "runs"."id") AS _w FROM "runs" AS "runs") AS _t WHERE _w = 1
;;
SELECT lag(duration_s) OVER (ORDER BY started) FROM runs
-->
SELECT LAG("runs"."duration_s") OVER (ORDER BY "runs"."started") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT sum(bytes) OVER w FROM bundles WINDOW w AS (PARTITION BY repo)
-->
SELECT SUM("bundles"."bytes") OVER "w" AS "_col_0" FROM "bundles" AS "bundles" WINDOW "w" AS (PARTITION BY "bundles"."repo")
;;
SELECT avg(value), stddev(value), median(value) FROM metrics
-->
SELECT AVG("metrics"."value") AS "_col_0", STDDEV("metrics"."value") AS "_col_1", PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY "metrics"."value") AS "_col_2" FROM "metrics" AS "metrics"
;;
SELECT quantile_cont(value, 0.9) FROM metrics
-->
SELECT PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY "metrics"."value") AS "_col_0" FROM "metrics" AS "metrics"
;;
SELECT bool_and(frozen), bool_or(frozen) FROM labels
-->
SELECT BOOL_AND(CAST("labels"."frozen" AS BOOLEAN)) AS "_col_0", BOOL_OR(CAST("labels"."frozen" AS BOOLEAN)) AS "_col_1" FROM "labels" AS "labels"
;;
SELECT any_value(step) FROM runs
-->
SELECT (ARRAY_AGG("runs"."step") FILTER(WHERE NOT "runs"."step" IS NULL))[1] AS "_col_0" FROM "runs" AS "runs"
;;
SELECT count(DISTINCT step) FROM runs
-->
SELECT COUNT(DISTINCT "runs"."step") AS "_col_0" FROM "runs" AS "runs"
;;
SELECT step FROM runs GROUP BY step HAVING count(*) > 1
-->
SELECT "runs"."step" AS "step" FROM "runs" AS "runs" GROUP BY "runs"."step" HAVING COUNT(*) > 1
;;
SELECT step, status, count(*) FROM runs GROUP BY ROLLUP (step, status)
-->
SELECT "runs"."step" AS "step", "runs"."status" AS "status", COUNT(*) AS "_col_2" FROM "runs" AS "runs" GROUP BY ROLLUP ("runs"."step", "runs"."status")
;;
SELECT step FROM runs UNION SELECT name FROM repos
-->
SELECT "runs"."step" AS "step" FROM "runs" AS "runs" UNION SELECT "repos"."name" AS "name" FROM "repos" AS "repos"
;;
SELECT step FROM runs UNION ALL SELECT name FROM repos ORDER BY 1
-->
SELECT "runs"."step" AS "step" FROM "runs" AS "runs" UNION ALL SELECT "repos"."name" AS "name" FROM "repos" AS "repos" ORDER BY "step"
;;
SELECT step FROM runs EXCEPT SELECT name FROM repos
-->
SELECT "runs"."step" AS "step" FROM "runs" AS "runs" EXCEPT SELECT "repos"."name" AS "name" FROM "repos" AS "repos"
;;
SELECT step FROM runs INTERSECT SELECT name FROM repos
-->
SELECT "runs"."step" AS "step" FROM "runs" AS "runs" INTERSECT SELECT "repos"."name" AS "name" FROM "repos" AS "repos"
;;
SELECT a.id FROM runs a JOIN runs b USING (step)
-->
SELECT "a"."id" AS "id" FROM "runs" AS "a" JOIN "runs" AS "b" ON "a"."step" = "b"."step"
;;
SELECT r.id FROM runs r LEFT JOIN metrics m ON m.run = r.id AND m.name = 'auc'
-->
SELECT "r"."id" AS "id" FROM "runs" AS "r" LEFT JOIN "metrics" AS "m" ON "m"."run" = "r"."id" AND "m"."name" = 'auc'
;;
SELECT r.id FROM runs r FULL JOIN metrics m ON m.run = r.id
-->
SELECT "r"."id" AS "id" FROM "runs" AS "r" FULL JOIN "metrics" AS "m" ON "m"."run" = "r"."id"
;;
SELECT r.id FROM runs r, metrics m WHERE m.run = r.id
-->
SELECT "r"."id" AS "id" FROM "runs" AS "r", "metrics" AS "m" WHERE "m"."run" = "r"."id"
;;
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(n, name)
-->
SELECT "t"."n" AS "n", "t"."name" AS "name" FROM (VALUES (1, 'a' COLLATE "C"), (2, 'b' COLLATE "C")) AS "t"("n", "name")
;;
SELECT x.n FROM (SELECT count(*) AS n FROM runs) x
-->
SELECT "x"."n" AS "n" FROM (SELECT COUNT(*) AS "n" FROM "runs" AS "runs") AS "x"
;;
WITH a AS (SELECT id FROM runs) SELECT * FROM a
-->
WITH "a" AS (SELECT "runs"."id" AS "id" FROM "runs" AS "runs") SELECT "a"."id" AS "id" FROM "a" AS "a"
;;
WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 5) SELECT n FROM a
-->
WITH RECURSIVE "a" AS (SELECT 1 AS "n" UNION ALL SELECT "a"."n" + 1 AS "_col_0" FROM "a" AS "a" WHERE "a"."n" < 5) SELECT "a"."n" AS "n" FROM "a" AS "a"
;;
SELECT (SELECT count(*) FROM runs) AS n, name FROM repos
-->
SELECT (SELECT COUNT(*) AS "_col_0" FROM "runs" AS "runs") AS "n", "repos"."name" AS "name" FROM "repos" AS "repos"
;;
SELECT name AS "order" FROM repos
-->
SELECT "repos"."name" AS "order" FROM "repos" AS "repos"
;;
SELECT "name" FROM repos
-->
SELECT "repos"."name" AS "name" FROM "repos" AS "repos"
;;
SELECT NULL AS nothing, TRUE AS yes, 1.5 AS n
-->
SELECT NULL AS "nothing", TRUE AS "yes", 1.5 AS "n"
;;
SELECT greatest(1, 2), least(1, 2), abs(-1), round(1.55, 1), floor(1.5)
-->
SELECT GREATEST(1, 2) AS "_col_0", LEAST(1, 2) AS "_col_1", ABS(-1) AS "_col_2", ROUND(CAST(1.55 AS DECIMAL), 1) AS "_col_3", FLOOR(1.5) AS "_col_4"
;;
SELECT md5(name) FROM repos
-->
SELECT MD5("repos"."name") AS "_col_0" FROM "repos" AS "repos"
;;
SELECT trim(name), replace(name, 'a', 'b'), substr(name, 1, 2) FROM repos
-->
SELECT TRIM("repos"."name") AS "_col_0", REPLACE("repos"."name", 'a', 'b') AS "_col_1", SUBSTRING("repos"."name" FROM 1 FOR 2) AS "_col_2" FROM "repos" AS "repos"
;;
SELECT now() - started FROM runs
-->
SELECT NOW() - "runs"."started" AS "_col_0" FROM "runs" AS "runs"
;;
SELECT current_date
-->
SELECT CURRENT_DATE AS "_col_0"
;;
SELECT o.repo, count(DISTINCT o.content) AS n FROM outputs o JOIN runs r ON r.id = o.run GROUP BY o.repo, r.fingerprint HAVING n > 1
-->
SELECT "o"."repo" AS "repo", COUNT(DISTINCT "o"."content") AS "n" FROM "outputs" AS "o" JOIN "runs" AS "r" ON "r"."id" = "o"."run" GROUP BY "o"."repo", "r"."fingerprint" HAVING COUNT(DISTINCT "o"."content") > 1
;;
SELECT r.id, m.value FROM runs r JOIN metrics m ON m.run = r.id WHERE m.name = 'auc' ORDER BY m.value DESC LIMIT 1
-->
SELECT "r"."id" AS "id", "m"."value" AS "value" FROM "runs" AS "r" JOIN "metrics" AS "m" ON "m"."run" = "r"."id" WHERE "m"."name" = 'auc' ORDER BY "m"."value" DESC NULLS LAST LIMIT 1
