-- A source, and after the arrow the parts of its recursive SELECT that the plain source has not, or has otherwise. Ids are '…'.
UPSTREAM OF 'model' AT run
-->
SELECT: SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id, f.place = 1000000 AND f.everything > 1000000 AS truncated FROM (SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, COUNT(*) OVER () AS everything, ROW_NUMBER() OVER (ORDER BY n.depth, CASE WHEN n.kind = 'bundle' THEN 1 ELSE 0 END, COALESCE(c.name, ''), n.kind, n.id) AS place FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id WHERE n.kind = 'run' AND NOT c.deleted) AS f WHERE f.place <= 1000000 ORDER BY f.place
;;
UPSTREAM OF 'model' AT bundle
-->
SELECT: SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id, f.place = 1000000 AND f.everything > 1000000 AS truncated FROM (SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, COUNT(*) OVER () AS everything, ROW_NUMBER() OVER (ORDER BY n.depth, CASE WHEN n.kind = 'bundle' THEN 1 ELSE 0 END, COALESCE(c.name, ''), n.kind, n.id) AS place FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id WHERE n.kind = 'bundle' AND NOT c.deleted) AS f WHERE f.place <= 1000000 ORDER BY f.place
;;
UPSTREAM OF 'model' WITHIN 0
-->
spot_level: SELECT 0, ARRAY_AGG(s.id), ARRAY_AGG(s.id) FROM (SELECT s.id FROM start AS s) AS s(id) UNION ALL SELECT l.hop + 1, n.ids, n.seen FROM spot_level AS l CROSS JOIN LATERAL (SELECT ARRAY_AGG(x.next_id) AS ids, l.seen || ARRAY_AGG(x.next_id) AS seen FROM (SELECT e.next_id FROM UNNEST(l.ids) AS f(id) JOIN step AS e ON e.at_id = f.id EXCEPT SELECT o.id FROM UNNEST(l.seen) AS o(id)) AS x) AS n WHERE NOT n.ids IS NULL AND l.hop < 0
;;
UPSTREAM OF 'model' WITHIN 2
-->
spot_level: SELECT 0, ARRAY_AGG(s.id), ARRAY_AGG(s.id) FROM (SELECT s.id FROM start AS s) AS s(id) UNION ALL SELECT l.hop + 1, n.ids, n.seen FROM spot_level AS l CROSS JOIN LATERAL (SELECT ARRAY_AGG(x.next_id) AS ids, l.seen || ARRAY_AGG(x.next_id) AS seen FROM (SELECT e.next_id FROM UNNEST(l.ids) AS f(id) JOIN step AS e ON e.at_id = f.id EXCEPT SELECT o.id FROM UNNEST(l.seen) AS o(id)) AS x) AS n WHERE NOT n.ids IS NULL AND l.hop < 4
;;
UPSTREAM OF 'model' INCLUDING deleted
-->
SELECT: SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id, f.place = 1000000 AND f.everything > 1000000 AS truncated FROM (SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, COUNT(*) OVER () AS everything, ROW_NUMBER() OVER (ORDER BY n.depth, CASE WHEN n.kind = 'bundle' THEN 1 ELSE 0 END, COALESCE(c.name, ''), n.kind, n.id) AS place FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id) AS f WHERE f.place <= 1000000 ORDER BY f.place
;;
UPSTREAM OF 'model' INCLUDING failed
-->
arc: SELECT DISTINCT e.kind_to AS at_kind, e.id_to AS at_id, e.kind_from AS next_kind, e.id_from AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE
;;
UPSTREAM OF 'model' INCLUDING system
-->
arc: SELECT DISTINCT e.kind_to AS at_kind, e.id_to AS at_id, e.kind_from AS next_kind, e.id_from AS next_id, e.role, e.how FROM with_system.edges AS e LEFT JOIN with_system.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned')
;;
UPSTREAM OF 'model' USING declared
-->
arc: SELECT DISTINCT e.kind_to AS at_kind, e.id_to AS at_id, e.kind_from AS next_kind, e.id_from AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') AND (e.kind_from = 'run' OR EXISTS(SELECT 1 FROM kept.inputs AS i WHERE i.run = e.id_to AND i.bundle = e.id_from AND i.role = e.role AND i.how <> 'observed'))
;;
UPSTREAM OF 'model' USING observed
-->
arc: SELECT DISTINCT e.kind_to AS at_kind, e.id_to AS at_id, e.kind_from AS next_kind, e.id_from AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') AND (e.kind_from = 'run' OR EXISTS(SELECT 1 FROM kept.inputs AS i WHERE i.run = e.id_to AND i.bundle = e.id_from AND i.role = e.role AND (i.how = 'observed' OR (i.observed AND EXISTS(SELECT 1 FROM kept.accesses AS a WHERE a.run = i.run AND a.role = i.role AND a.kind = 'read')))))
;;
UPSTREAM OF 'model' STOP AT (repo LIKE 'raw%')
-->
touched: SELECT s.id FROM (SELECT s.id FROM start AS s) AS s(id) UNION SELECT e.next_id FROM touched AS r JOIN way AS e ON e.at_id = r.id
asked: SELECT DISTINCT w.next_kind, w.next_id FROM way AS w JOIN touched AS t ON t.id = w.next_id
candidate: SELECT n.kind, n.id, r.pipeline || '/' || r.step, CAST(NULL AS TEXT), CAST(NULL AS TEXT), FALSE FROM asked AS n LEFT JOIN with_system.runs AS r ON r.id = n.id WHERE n.kind = 'run' UNION ALL SELECT n.kind, n.id, b.repo || '@' || COALESCE(l.name, h.name, n.id), b.repo, COALESCE(l.name, h.name), COALESCE(b.deleted, FALSE) FROM asked AS n LEFT JOIN with_system.bundles AS b ON b.id = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.labels GROUP BY bundle) AS l ON l.bundle = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.branches GROUP BY bundle) AS h ON h.bundle = n.id WHERE n.kind = 'bundle'
upstream_1_stops: SELECT c.kind, c.id, c.name, c.repo, c.ref FROM candidate AS c
stopped: SELECT id FROM upstream_1_stops WHERE (repo LIKE 'raw%')
step: SELECT w.at_id, w.next_id, w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w WHERE NOT w.at_id IN (SELECT s.id FROM stopped AS s)
;;
UPSTREAM OF 'model' VIA (kind = 'run')
-->
touched: SELECT s.id FROM (SELECT s.id FROM start AS s) AS s(id) UNION SELECT e.next_id FROM touched AS r JOIN way AS e ON e.at_id = r.id
asked: SELECT DISTINCT w.next_kind, w.next_id FROM way AS w JOIN touched AS t ON t.id = w.next_id
candidate: SELECT n.kind, n.id, r.pipeline || '/' || r.step, CAST(NULL AS TEXT), CAST(NULL AS TEXT), FALSE FROM asked AS n LEFT JOIN with_system.runs AS r ON r.id = n.id WHERE n.kind = 'run' UNION ALL SELECT n.kind, n.id, b.repo || '@' || COALESCE(l.name, h.name, n.id), b.repo, COALESCE(l.name, h.name), COALESCE(b.deleted, FALSE) FROM asked AS n LEFT JOIN with_system.bundles AS b ON b.id = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.labels GROUP BY bundle) AS l ON l.bundle = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.branches GROUP BY bundle) AS h ON h.bundle = n.id WHERE n.kind = 'bundle'
upstream_1_via: SELECT c.kind, c.id, c.name, c.repo, c.ref FROM candidate AS c
wanted: SELECT id FROM upstream_1_via WHERE (kind = 'run')
step: SELECT w.at_id || '0' AS at_id, w.next_id || CASE WHEN v.id IS NULL THEN '0' ELSE '1' END AS next_id, w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w LEFT JOIN wanted AS v ON v.id = w.next_id UNION ALL SELECT w.at_id || '1', w.next_id || '1', w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w
spot_level: SELECT 0, ARRAY_AGG(s.id), ARRAY_AGG(s.id) FROM (SELECT s.id || CASE WHEN s.kind = 'run' AND s.id IN (SELECT v.id FROM wanted AS v) THEN '1' ELSE '0' END FROM start AS s) AS s(id) UNION ALL SELECT l.hop + 1, n.ids, n.seen FROM spot_level AS l CROSS JOIN LATERAL (SELECT ARRAY_AGG(x.next_id) AS ids, l.seen || ARRAY_AGG(x.next_id) AS seen FROM (SELECT e.next_id FROM UNNEST(l.ids) AS f(id) JOIN step AS e ON e.at_id = f.id EXCEPT SELECT o.id FROM UNNEST(l.seen) AS o(id)) AS x) AS n WHERE NOT n.ids IS NULL
met: SELECT m.kind, m.node, m.hop, m.how, m.via FROM (SELECT t.kind, t.node, s.hop, t.how, t.via, ROW_NUMBER() OVER (PARTITION BY t.node ORDER BY s.hop, t.via_kind, t.at_id, COALESCE(t.role, ''), t.how) AS place FROM spot AS s JOIN step AS t ON t.next_id = s.id JOIN spot AS p ON p.id = t.at_id AND p.hop = s.hop - 1 WHERE RIGHT(s.id, 1) = '1') AS m WHERE m.place = 1
;;
UPSTREAM OF 'model' WITHIN 1 STOP AT (ref IS NOT NULL) VIA (name = 'default/prepare')
-->
touched_level: SELECT 0, ARRAY_AGG(s.id), ARRAY_AGG(s.id) FROM (SELECT s.id FROM start AS s) AS s(id) UNION ALL SELECT l.hop + 1, n.ids, n.seen FROM touched_level AS l CROSS JOIN LATERAL (SELECT ARRAY_AGG(x.next_id) AS ids, l.seen || ARRAY_AGG(x.next_id) AS seen FROM (SELECT e.next_id FROM UNNEST(l.ids) AS f(id) JOIN way AS e ON e.at_id = f.id EXCEPT SELECT o.id FROM UNNEST(l.seen) AS o(id)) AS x) AS n WHERE NOT n.ids IS NULL AND l.hop < 2
touched: SELECT u.id, l.hop FROM touched_level AS l CROSS JOIN UNNEST(l.ids) AS u(id)
asked: SELECT DISTINCT w.next_kind, w.next_id FROM way AS w JOIN touched AS t ON t.id = w.next_id
candidate: SELECT n.kind, n.id, r.pipeline || '/' || r.step, CAST(NULL AS TEXT), CAST(NULL AS TEXT), FALSE FROM asked AS n LEFT JOIN with_system.runs AS r ON r.id = n.id WHERE n.kind = 'run' UNION ALL SELECT n.kind, n.id, b.repo || '@' || COALESCE(l.name, h.name, n.id), b.repo, COALESCE(l.name, h.name), COALESCE(b.deleted, FALSE) FROM asked AS n LEFT JOIN with_system.bundles AS b ON b.id = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.labels GROUP BY bundle) AS l ON l.bundle = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.branches GROUP BY bundle) AS h ON h.bundle = n.id WHERE n.kind = 'bundle'
upstream_1_stops: SELECT c.kind, c.id, c.name, c.repo, c.ref FROM candidate AS c
stopped: SELECT id FROM upstream_1_stops WHERE (NOT ref IS NULL) AND NOT id IN (SELECT s.id FROM start AS s)
upstream_1_via: SELECT c.kind, c.id, c.name, c.repo, c.ref FROM candidate AS c
wanted: SELECT id FROM upstream_1_via WHERE (name = 'default/prepare')
step: SELECT w.at_id || '0' AS at_id, w.next_id || CASE WHEN v.id IS NULL THEN '0' ELSE '1' END AS next_id, w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w LEFT JOIN wanted AS v ON v.id = w.next_id WHERE NOT w.at_id IN (SELECT s.id FROM stopped AS s) UNION ALL SELECT w.at_id || '1', w.next_id || '1', w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w WHERE NOT w.at_id IN (SELECT s.id FROM stopped AS s)
spot_level: SELECT 0, ARRAY_AGG(s.id), ARRAY_AGG(s.id) FROM (SELECT s.id || CASE WHEN s.kind = 'run' AND s.id IN (SELECT v.id FROM wanted AS v) THEN '1' ELSE '0' END FROM start AS s) AS s(id) UNION ALL SELECT l.hop + 1, n.ids, n.seen FROM spot_level AS l CROSS JOIN LATERAL (SELECT ARRAY_AGG(x.next_id) AS ids, l.seen || ARRAY_AGG(x.next_id) AS seen FROM (SELECT e.next_id FROM UNNEST(l.ids) AS f(id) JOIN step AS e ON e.at_id = f.id EXCEPT SELECT o.id FROM UNNEST(l.seen) AS o(id)) AS x) AS n WHERE NOT n.ids IS NULL AND l.hop < 2
met: SELECT m.kind, m.node, m.hop, m.how, m.via FROM (SELECT t.kind, t.node, s.hop, t.how, t.via, ROW_NUMBER() OVER (PARTITION BY t.node ORDER BY s.hop, t.via_kind, t.at_id, COALESCE(t.role, ''), t.how) AS place FROM spot AS s JOIN step AS t ON t.next_id = s.id JOIN spot AS p ON p.id = t.at_id AND p.hop = s.hop - 1 WHERE RIGHT(s.id, 1) = '1') AS m WHERE m.place = 1
;;
UPSTREAM OF run '2yY8AbL4YStD1ujvXMnTQqobeG8'
-->
given: SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN (NULL) UNION SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN ('…')
arc: SELECT DISTINCT e.kind_to AS at_kind, e.id_to AS at_id, e.kind_from AS next_kind, e.id_from AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND (NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') OR r.id IN ('…'))
SELECT: SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id, f.place = 1000000 AND f.everything > 1000000 AS truncated FROM (SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, COUNT(*) OVER () AS everything, ROW_NUMBER() OVER (ORDER BY n.depth, CASE WHEN n.kind = 'run' THEN 1 ELSE 0 END, COALESCE(c.name, ''), n.kind, n.id) AS place FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id WHERE NOT c.deleted) AS f WHERE f.place <= 1000000 ORDER BY f.place
;;
DOWNSTREAM OF 'raw:dir'
-->
way: SELECT a.at_kind, a.at_id, a.next_kind, a.next_id, a.role, a.how FROM arc AS a WHERE NOT a.next_id IN (SELECT s.id FROM start AS s) AND NOT (a.at_id = '…' AND NOT a.next_id IN (SELECT i.run FROM kept.inputs AS i WHERE i.bundle = '…' AND CASE WHEN i.observed THEN EXISTS(SELECT 1 FROM (SELECT LTRIM(i.path || '/' || c.path, '/') AS path FROM kept.accesses AS c WHERE c.run = i.run AND c.role = i.role AND c.kind = 'read') AS r WHERE r.path = 'dir' OR STARTS_WITH('dir', RTRIM(r.path, '/') || '/') OR STARTS_WITH(r.path, 'dir' || '/')) ELSE i.path = '' OR i.path = 'dir' OR STARTS_WITH('dir', i.path || '/') OR STARTS_WITH(i.path, 'dir' || '/') END))
;;
DOWNSTREAM OF 'raw:people.csv' AT run
-->
way: SELECT a.at_kind, a.at_id, a.next_kind, a.next_id, a.role, a.how FROM arc AS a WHERE NOT a.next_id IN (SELECT s.id FROM start AS s) AND NOT (a.at_id = '…' AND NOT a.next_id IN (SELECT i.run FROM kept.inputs AS i WHERE i.bundle = '…' AND CASE WHEN i.observed THEN EXISTS(SELECT 1 FROM (SELECT LTRIM(i.path || '/' || c.path, '/') AS path FROM kept.accesses AS c WHERE c.run = i.run AND c.role = i.role AND c.kind = 'read') AS r WHERE r.path = 'people.csv' OR STARTS_WITH('people.csv', RTRIM(r.path, '/') || '/') OR STARTS_WITH(r.path, 'people.csv' || '/')) ELSE i.path = '' OR i.path = 'people.csv' OR STARTS_WITH('people.csv', i.path || '/') OR STARTS_WITH(i.path, 'people.csv' || '/') END))
SELECT: SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id, f.place = 1000000 AND f.everything > 1000000 AS truncated FROM (SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, COUNT(*) OVER () AS everything, ROW_NUMBER() OVER (ORDER BY n.depth, CASE WHEN n.kind = 'bundle' THEN 1 ELSE 0 END, COALESCE(c.name, ''), n.kind, n.id) AS place FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id WHERE n.kind = 'run' AND NOT c.deleted) AS f WHERE f.place <= 1000000 ORDER BY f.place
;;
DOWNSTREAM OF param 'scale'
-->
given: SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN (NULL) UNION SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN ('…')
arc: SELECT DISTINCT e.kind_from AS at_kind, e.id_from AS at_id, e.kind_to AS next_kind, e.id_to AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND (NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') OR r.id IN ('…'))
node: SELECT n.kind, n.id, n.depth, n.how, n.via FROM (SELECT g.kind, g.id, CAST(1 AS BIGINT) AS depth, 'declared' AS how, CAST(NULL AS TEXT) AS via FROM given AS g UNION ALL SELECT m.kind, m.id, CAST((m.hop + m.hop % 2) / 2 AS BIGINT) + CASE WHEN m.kind = 'run' THEN 1 ELSE 0 END, m.how, m.via FROM met AS m) AS n
;;
DOWNSTREAM OF param 'scale' WITHIN 1
-->
given: SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN (NULL) UNION SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN ('…')
arc: SELECT DISTINCT e.kind_from AS at_kind, e.id_from AS at_id, e.kind_to AS next_kind, e.id_to AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND (NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') OR r.id IN ('…'))
spot_level: SELECT 0, ARRAY_AGG(s.id), ARRAY_AGG(s.id) FROM (SELECT s.id FROM start AS s) AS s(id) UNION ALL SELECT l.hop + 1, n.ids, n.seen FROM spot_level AS l CROSS JOIN LATERAL (SELECT ARRAY_AGG(x.next_id) AS ids, l.seen || ARRAY_AGG(x.next_id) AS seen FROM (SELECT e.next_id FROM UNNEST(l.ids) AS f(id) JOIN step AS e ON e.at_id = f.id EXCEPT SELECT o.id FROM UNNEST(l.seen) AS o(id)) AS x) AS n WHERE NOT n.ids IS NULL AND l.hop < 2
node: SELECT n.kind, n.id, n.depth, n.how, n.via FROM (SELECT g.kind, g.id, CAST(1 AS BIGINT) AS depth, 'declared' AS how, CAST(NULL AS TEXT) AS via FROM given AS g UNION ALL SELECT m.kind, m.id, CAST((m.hop + m.hop % 2) / 2 AS BIGINT) + CASE WHEN m.kind = 'run' THEN 1 ELSE 0 END, m.how, m.via FROM met AS m) AS n WHERE n.depth <= 1
;;
DOWNSTREAM OF param 'scale' STOP AT (kind = 'run')
-->
given: SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN (NULL) UNION SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN ('…')
arc: SELECT DISTINCT e.kind_from AS at_kind, e.id_from AS at_id, e.kind_to AS next_kind, e.id_to AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND (NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') OR r.id IN ('…'))
touched: SELECT s.id FROM (SELECT s.id FROM start AS s) AS s(id) UNION SELECT e.next_id FROM touched AS r JOIN way AS e ON e.at_id = r.id
asked: SELECT DISTINCT w.next_kind, w.next_id FROM way AS w JOIN touched AS t ON t.id = w.next_id UNION SELECT g.kind, g.id FROM given AS g
candidate: SELECT n.kind, n.id, r.pipeline || '/' || r.step, CAST(NULL AS TEXT), CAST(NULL AS TEXT), FALSE FROM asked AS n LEFT JOIN with_system.runs AS r ON r.id = n.id WHERE n.kind = 'run' UNION ALL SELECT n.kind, n.id, b.repo || '@' || COALESCE(l.name, h.name, n.id), b.repo, COALESCE(l.name, h.name), COALESCE(b.deleted, FALSE) FROM asked AS n LEFT JOIN with_system.bundles AS b ON b.id = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.labels GROUP BY bundle) AS l ON l.bundle = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.branches GROUP BY bundle) AS h ON h.bundle = n.id WHERE n.kind = 'bundle'
downstream_1_stops: SELECT c.kind, c.id, c.name, c.repo, c.ref FROM candidate AS c
stopped: SELECT id FROM downstream_1_stops WHERE (kind = 'run')
step: SELECT w.at_id, w.next_id, w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w WHERE NOT w.at_id IN (SELECT s.id FROM stopped AS s)
node: SELECT n.kind, n.id, n.depth, n.how, n.via FROM (SELECT g.kind, g.id, CAST(1 AS BIGINT) AS depth, 'declared' AS how, CAST(NULL AS TEXT) AS via FROM given AS g UNION ALL SELECT m.kind, m.id, CAST((m.hop + m.hop % 2) / 2 AS BIGINT) + CASE WHEN m.kind = 'run' THEN 1 ELSE 0 END, m.how, m.via FROM met AS m) AS n
;;
DOWNSTREAM OF param 'scale' VIA (repo = 'features')
-->
given: SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN (NULL) UNION SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN ('…')
arc: SELECT DISTINCT e.kind_from AS at_kind, e.id_from AS at_id, e.kind_to AS next_kind, e.id_to AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND (NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') OR r.id IN ('…'))
touched: SELECT s.id FROM (SELECT s.id FROM start AS s) AS s(id) UNION SELECT e.next_id FROM touched AS r JOIN way AS e ON e.at_id = r.id
asked: SELECT DISTINCT w.next_kind, w.next_id FROM way AS w JOIN touched AS t ON t.id = w.next_id UNION SELECT g.kind, g.id FROM given AS g
candidate: SELECT n.kind, n.id, r.pipeline || '/' || r.step, CAST(NULL AS TEXT), CAST(NULL AS TEXT), FALSE FROM asked AS n LEFT JOIN with_system.runs AS r ON r.id = n.id WHERE n.kind = 'run' UNION ALL SELECT n.kind, n.id, b.repo || '@' || COALESCE(l.name, h.name, n.id), b.repo, COALESCE(l.name, h.name), COALESCE(b.deleted, FALSE) FROM asked AS n LEFT JOIN with_system.bundles AS b ON b.id = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.labels GROUP BY bundle) AS l ON l.bundle = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.branches GROUP BY bundle) AS h ON h.bundle = n.id WHERE n.kind = 'bundle'
downstream_1_via: SELECT c.kind, c.id, c.name, c.repo, c.ref FROM candidate AS c
wanted: SELECT id FROM downstream_1_via WHERE (repo = 'features')
step: SELECT w.at_id || '0' AS at_id, w.next_id || CASE WHEN v.id IS NULL THEN '0' ELSE '1' END AS next_id, w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w LEFT JOIN wanted AS v ON v.id = w.next_id UNION ALL SELECT w.at_id || '1', w.next_id || '1', w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w
spot_level: SELECT 0, ARRAY_AGG(s.id), ARRAY_AGG(s.id) FROM (SELECT s.id || CASE WHEN s.kind = 'run' AND s.id IN (SELECT v.id FROM wanted AS v) THEN '1' ELSE '0' END FROM start AS s) AS s(id) UNION ALL SELECT l.hop + 1, n.ids, n.seen FROM spot_level AS l CROSS JOIN LATERAL (SELECT ARRAY_AGG(x.next_id) AS ids, l.seen || ARRAY_AGG(x.next_id) AS seen FROM (SELECT e.next_id FROM UNNEST(l.ids) AS f(id) JOIN step AS e ON e.at_id = f.id EXCEPT SELECT o.id FROM UNNEST(l.seen) AS o(id)) AS x) AS n WHERE NOT n.ids IS NULL
met: SELECT m.kind, m.node, m.hop, m.how, m.via FROM (SELECT t.kind, t.node, s.hop, t.how, t.via, ROW_NUMBER() OVER (PARTITION BY t.node ORDER BY s.hop, t.via_kind, t.at_id, COALESCE(t.role, ''), t.how) AS place FROM spot AS s JOIN step AS t ON t.next_id = s.id JOIN spot AS p ON p.id = t.at_id AND p.hop = s.hop - 1 WHERE RIGHT(s.id, 1) = '1') AS m WHERE m.place = 1
node: SELECT n.kind, n.id, n.depth, n.how, n.via FROM (SELECT g.kind, g.id, CAST(1 AS BIGINT) AS depth, 'declared' AS how, CAST(NULL AS TEXT) AS via FROM given AS g WHERE g.id IN (SELECT v.id FROM wanted AS v) UNION ALL SELECT m.kind, m.id, CAST((m.hop + m.hop % 2) / 2 AS BIGINT) + CASE WHEN m.kind = 'run' THEN 1 ELSE 0 END, m.how, m.via FROM met AS m) AS n
;;
AFFECTED BY param 'scale'
-->
given: SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN (NULL) UNION SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN ('…')
arc: SELECT DISTINCT e.kind_from AS at_kind, e.id_from AS at_id, e.kind_to AS next_kind, e.id_to AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND (NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') OR r.id IN ('…')) AND (e.kind_from = 'run' OR EXISTS(SELECT 1 FROM kept.inputs AS i WHERE i.run = e.id_to AND i.bundle = e.id_from AND i.role = e.role AND TRUE AND i.ref_kind IN ('branch', 'label')))
node: SELECT n.kind, n.id, n.depth, n.how, n.via FROM (SELECT g.kind, g.id, CAST(1 AS BIGINT) AS depth, 'declared' AS how, CAST(NULL AS TEXT) AS via FROM given AS g UNION ALL SELECT m.kind, m.id, CAST((m.hop + m.hop % 2) / 2 AS BIGINT) + CASE WHEN m.kind = 'run' THEN 1 ELSE 0 END, m.how, m.via FROM met AS m) AS n
SELECT: SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id, f.place = 1000000 AND f.everything > 1000000 AS truncated, CASE WHEN f.depth = 1 THEN 'param' ELSE 'upstream' END AS cause FROM (SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, COUNT(*) OVER () AS everything, ROW_NUMBER() OVER (ORDER BY n.depth, CASE WHEN n.kind = 'bundle' THEN 1 ELSE 0 END, COALESCE(c.name, ''), n.kind, n.id) AS place FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id WHERE NOT c.deleted) AS f WHERE f.place <= 1000000 ORDER BY f.place
;;
AFFECTED BY step 'default/prepare'
-->
given: SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN (NULL) UNION SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN ('…')
arc: SELECT DISTINCT e.kind_from AS at_kind, e.id_from AS at_id, e.kind_to AS next_kind, e.id_to AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND (NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') OR r.id IN ('…')) AND (e.kind_from = 'run' OR EXISTS(SELECT 1 FROM kept.inputs AS i WHERE i.run = e.id_to AND i.bundle = e.id_from AND i.role = e.role AND TRUE AND i.ref_kind IN ('branch', 'label')))
node: SELECT n.kind, n.id, n.depth, n.how, n.via FROM (SELECT g.kind, g.id, CAST(1 AS BIGINT) AS depth, 'declared' AS how, CAST(NULL AS TEXT) AS via FROM given AS g UNION ALL SELECT m.kind, m.id, CAST((m.hop + m.hop % 2) / 2 AS BIGINT) + CASE WHEN m.kind = 'run' THEN 1 ELSE 0 END, m.how, m.via FROM met AS m) AS n
SELECT: SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id, f.place = 1000000 AND f.everything > 1000000 AS truncated, CASE WHEN f.depth = 1 THEN 'code' ELSE 'upstream' END AS cause FROM (SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, COUNT(*) OVER () AS everything, ROW_NUMBER() OVER (ORDER BY n.depth, CASE WHEN n.kind = 'bundle' THEN 1 ELSE 0 END, COALESCE(c.name, ''), n.kind, n.id) AS place FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id WHERE NOT c.deleted) AS f WHERE f.place <= 1000000 ORDER BY f.place
;;
AFFECTED BY 'raw' USING declared
-->
arc: SELECT DISTINCT e.kind_from AS at_kind, e.id_from AS at_id, e.kind_to AS next_kind, e.id_to AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned') AND (e.kind_from = 'run' OR EXISTS(SELECT 1 FROM kept.inputs AS i WHERE i.run = e.id_to AND i.bundle = e.id_from AND i.role = e.role AND i.how <> 'observed' AND i.ref_kind IN ('branch', 'label')))
;;
STALE WITHIN 1
-->
SELECT: SELECT f.output, f.ref, f.cause, f.subject, f.was AS "old", f.becomes AS "new", f.via, f.distance, f.last_status FROM (SELECT DISTINCT s.bundle AS output, s.ref, c.cause, c.subject, c.was, c.becomes, c.via, c.distance, t.status AS last_status FROM subject AS s JOIN caused AS c ON c.bundle = s.bundle LEFT JOIN writer AS w ON w.bundle = s.bundle LEFT JOIN last_status AS t ON t.production = w.production WHERE c.distance <= 1) AS f ORDER BY f.distance, COALESCE(f.ref, ''), f.output, CASE f.cause WHEN 'missing' THEN 0 WHEN 'input' THEN 1 WHEN 'appeared' THEN 2 WHEN 'code' THEN 3 WHEN 'param' THEN 4 WHEN 'env' THEN 5 WHEN 'superseded' THEN 6 WHEN 'upstream' THEN 7 END, f.subject, COALESCE(f.via, ''), COALESCE(f.was, ''), COALESCE(f.becomes, '')
;;
STALE INCLUDING frozen
-->
subject: SELECT h.bundle, h.repo || '@' || h.name FROM held AS h
given: SELECT DISTINCT p.production, i.repo || '@' || i.ref, h.bundle FROM follows AS i JOIN production AS p ON p.run = i.run JOIN held AS h ON h.repo = i.repo AND h.name = i.ref
;;
STALE USING observed
-->
follows: SELECT i.run, i.role, i.repo, i.ref, i.bundle, i.path, i.content FROM main.inputs AS i WHERE i.how IN ('declared', 'imported', 'observed') AND NOT i.ref IS NULL AND i.ref_kind IN ('branch', 'label') AND (i.run, i.role) IN (SELECT k.run, k.role FROM kept.inputs AS k WHERE k.observed)
;;
STALE OF 'model'
-->
subject: SELECT * FROM (VALUES (CAST('…' AS TEXT), CAST('model@main' AS TEXT))) AS _values
;;
WHAT PRODUCED 'model'
-->
SELECT: SELECT o.run, r.pipeline, r.step, r.status, r.started, r.ended, r.author, r.code, o.repo, o.bundle, '…' AS content, o.role FROM with_system.outputs AS o JOIN with_system.runs AS r ON r.id = o.run LEFT JOIN with_system.bundles AS b ON b.id = o.bundle AND b.repo = o.repo WHERE o.repo = 'model' AND o.content IN ('…') ORDER BY CASE WHEN r.status = 'succeeded' THEN 0 ELSE 1 END, b.position, r.ended, o.run, o.role
;;
WHAT PRODUCED 'model:m'
-->
SELECT: SELECT o.run, r.pipeline, r.step, r.status, r.started, r.ended, r.author, r.code, o.repo, o.bundle, '…' AS content, o.role FROM with_system.outputs AS o JOIN with_system.runs AS r ON r.id = o.run LEFT JOIN with_system.bundles AS b ON b.id = o.bundle AND b.repo = o.repo WHERE o.repo = 'model' AND o.content IN ('…') ORDER BY CASE WHEN r.status = 'succeeded' THEN 0 ELSE 1 END, b.position, r.ended, o.run, o.role
;;
WHAT USED 'raw'
-->
given: SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN ('…') UNION SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN (NULL)
stood: SELECT d.bundle FROM kept.deletions AS d JOIN given AS g ON d.replaced_by = g.id UNION SELECT d.bundle FROM kept.deletions AS d JOIN stood AS b ON d.replaced_by = b.id
start: SELECT g.kind, g.id FROM given AS g UNION SELECT 'bundle', s.id FROM stood AS s
arc: SELECT DISTINCT e.kind_from AS at_kind, e.id_from AS at_id, e.kind_to AS next_kind, e.id_to AS next_id, e.role, e.how FROM main.edges AS e LEFT JOIN main.runs AS r ON r.id = CASE WHEN e.kind_from = 'run' THEN e.id_from ELSE e.id_to END WHERE TRUE AND NOT COALESCE(r.status, 'succeeded') IN ('failed', 'abandoned')
way: SELECT a.at_kind, a.at_id, a.next_kind, a.next_id, a.role, a.how FROM arc AS a WHERE NOT a.next_id IN (SELECT s.id FROM start AS s)
step: SELECT w.at_id, w.next_id, w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how FROM way AS w
spot_level: SELECT 0, ARRAY_AGG(s.id), ARRAY_AGG(s.id) FROM (SELECT s.id FROM start AS s) AS s(id) UNION ALL SELECT l.hop + 1, n.ids, n.seen FROM spot_level AS l CROSS JOIN LATERAL (SELECT ARRAY_AGG(x.next_id) AS ids, l.seen || ARRAY_AGG(x.next_id) AS seen FROM (SELECT e.next_id FROM UNNEST(l.ids) AS f(id) JOIN step AS e ON e.at_id = f.id EXCEPT SELECT o.id FROM UNNEST(l.seen) AS o(id)) AS x) AS n WHERE NOT n.ids IS NULL AND l.hop < 2
spot: SELECT u.id, l.hop FROM spot_level AS l CROSS JOIN UNNEST(l.ids) AS u(id)
met: SELECT m.kind, m.node, m.hop, m.how, m.via FROM (SELECT t.kind, t.node, s.hop, t.how, t.via, ROW_NUMBER() OVER (PARTITION BY t.node ORDER BY s.hop, t.via_kind, t.at_id, COALESCE(t.role, ''), t.how) AS place FROM spot AS s JOIN step AS t ON t.next_id = s.id JOIN spot AS p ON p.id = t.at_id AND p.hop = s.hop - 1) AS m WHERE m.place = 1
node: SELECT m.kind, m.id, CAST((m.hop + m.hop % 2) / 2 AS BIGINT), m.how, m.via FROM met AS m
called: SELECT n.kind, n.id, r.pipeline || '/' || r.step, CAST(NULL AS TEXT), CAST(NULL AS TEXT), FALSE FROM node AS n LEFT JOIN with_system.runs AS r ON r.id = n.id WHERE n.kind = 'run' UNION ALL SELECT n.kind, n.id, b.repo || '@' || COALESCE(l.name, h.name, n.id), b.repo, COALESCE(l.name, h.name), COALESCE(b.deleted, FALSE) FROM node AS n LEFT JOIN with_system.bundles AS b ON b.id = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.labels GROUP BY bundle) AS l ON l.bundle = n.id LEFT JOIN (SELECT bundle, MIN(name) AS name FROM with_system.branches GROUP BY bundle) AS h ON h.bundle = n.id WHERE n.kind = 'bundle'
SELECT: SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id, f.place = 1000000 AND f.everything > 1000000 AS truncated FROM (SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, COUNT(*) OVER () AS everything, ROW_NUMBER() OVER (ORDER BY n.depth, CASE WHEN n.kind = 'bundle' THEN 1 ELSE 0 END, COALESCE(c.name, ''), n.kind, n.id) AS place FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id WHERE n.kind = 'run' AND NOT c.deleted) AS f WHERE f.place <= 1000000 ORDER BY f.place
