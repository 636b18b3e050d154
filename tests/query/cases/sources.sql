-- A statement with one source, and after the arrow the source in its one spelling.
UPSTREAM OF 'model@prod'
-->
UPSTREAM OF 'model@prod'
;;
upstream of 'model@prod' at run
-->
UPSTREAM OF 'model@prod' AT run
;;
FROM upstream('model@prod')
-->
UPSTREAM OF 'model@prod'
;;
FROM upstream('model@prod', at := 'file', within := 5)
-->
UPSTREAM OF 'model@prod' AT file WITHIN 5
;;
FROM upstream('m', stop_at := 'repo LIKE ''raw%''')
-->
UPSTREAM OF 'm' STOP AT (repo LIKE 'raw%')
;;
FROM upstream('m', via := 'kind = ''run''', using := 'observed')
-->
UPSTREAM OF 'm' VIA (kind = 'run') USING observed
;;
FROM upstream('m', as_of := '2026-03-31')
-->
UPSTREAM OF 'm' AS OF '2026-03-31'
;;
FROM upstream($ref, within := $n)
-->
UPSTREAM OF $ref WITHIN $n
;;
UPSTREAM OF 'm' WITHIN 2 AT bundle
-->
UPSTREAM OF 'm' AT bundle WITHIN 2
;;
UPSTREAM OF 'm' INCLUDING deleted, failed
-->
UPSTREAM OF 'm' INCLUDING deleted, failed
;;
UPSTREAM OF 'm' INCLUDING failed INCLUDING system
-->
UPSTREAM OF 'm' INCLUDING failed, system
;;
UPSTREAM OF 'm' USING DECLARED
-->
UPSTREAM OF 'm' USING declared
;;
UPSTREAM OF 'm' USING any
-->
UPSTREAM OF 'm'
;;
UPSTREAM OF 'm' AS OF '2026-03-31' BY STARTED
-->
UPSTREAM OF 'm' AS OF '2026-03-31' BY STARTED
;;
UPSTREAM OF 'm' STOP AT (repo IN ('a', "b") AND depth > 2)
-->
UPSTREAM OF 'm' STOP AT (repo IN ( 'a' , "b" ) AND depth > 2)
;;
UPSTREAM OF 'm' VIA (ref IS NOT NULL) STOP AT (true)
-->
UPSTREAM OF 'm' STOP AT (true) VIA (ref IS NOT NULL)
;;
UPSTREAM OF run '7c2e'
-->
UPSTREAM OF run '7c2e'
;;
UPSTREAM OF Step 'nightly/train' AT run
-->
UPSTREAM OF step 'nightly/train' AT run
;;
UPSTREAM OF bundle 'm@v1'
-->
UPSTREAM OF bundle 'm@v1'
;;
UPSTREAM OF file 'm@v1:w.bin' AT file
-->
UPSTREAM OF file 'm@v1:w.bin' AT file
;;
UPSTREAM OF column 'report.t.revenue' AT column
-->
UPSTREAM OF column 'report.t.revenue' AT column
;;
UPSTREAM OF 'it''s'
-->
UPSTREAM OF 'it''s'
;;
DOWNSTREAM OF 'raw'
-->
DOWNSTREAM OF 'raw'
;;
DOWNSTREAM OF file 'patients:p/1234.json' AT file INCLUDING deleted
-->
DOWNSTREAM OF file 'patients:p/1234.json' AT file INCLUDING deleted
;;
DOWNSTREAM OF env 'numpy==1.26.0'
-->
DOWNSTREAM OF env 'numpy==1.26.0'
;;
DOWNSTREAM OF param 'lr=0.1' WITHIN 3
-->
DOWNSTREAM OF param 'lr=0.1' WITHIN 3
;;
DOWNSTREAM OF code 'git:HEAD~3..HEAD'
-->
DOWNSTREAM OF code 'git:HEAD~3..HEAD'
;;
FROM downstream('raw', including := 'deleted')
-->
DOWNSTREAM OF 'raw' INCLUDING deleted
;;
FROM DOWNSTREAM OF 'raw' d WHERE d.depth = 1
-->
DOWNSTREAM OF 'raw'
;;
WHAT USED 'orders@b3f1'
-->
DOWNSTREAM OF 'orders@b3f1' AT run WITHIN 1
;;
what used env 'numpy==1.26.0' including failed
-->
DOWNSTREAM OF env 'numpy==1.26.0' AT run WITHIN 1 INCLUDING failed
;;
WHAT USED 'orders' USING observed
-->
DOWNSTREAM OF 'orders' AT run WITHIN 1 USING observed
;;
WHAT PRODUCED 'model@prod'
-->
WHAT PRODUCED 'model@prod'
;;
WHAT PRODUCED file 'model:weights.bin' AS OF '2026-01-01'
-->
WHAT PRODUCED file 'model:weights.bin' AS OF '2026-01-01'
;;
WHAT IS STALE
-->
WHAT IS STALE
;;
STALE
-->
WHAT IS STALE
;;
FROM stale()
-->
WHAT IS STALE
;;
STALE OF 'm' WITHIN 2
-->
WHAT IS STALE OF 'm' WITHIN 2
;;
FROM stale('m', including := 'frozen')
-->
WHAT IS STALE OF 'm' INCLUDING frozen
;;
WHAT IS STALE BECAUSE CODE IN 'features'
-->
WHAT IS STALE IN 'features' BECAUSE code
;;
WHAT IS STALE BECAUSE 'superseded' OF 'm'
-->
WHAT IS STALE OF 'm' BECAUSE superseded
;;
WHAT IS STALE IN $repo BECAUSE $cause
-->
WHAT IS STALE IN $repo BECAUSE $cause
;;
WHAT IS STALE AS OF '2026-03-31'
-->
WHAT IS STALE AS OF '2026-03-31'
;;
WHY IS 'features' STALE
-->
WHAT IS STALE OF 'features'
;;
why is 'features@prod' stale including frozen
-->
WHAT IS STALE OF 'features@prod' INCLUDING frozen
;;
WHAT IS AFFECTED BY 'orders@b3f1'
-->
AFFECTED BY 'orders@b3f1'
;;
AFFECTED BY code 'git:HEAD..feature'
-->
AFFECTED BY code 'git:HEAD..feature'
;;
AFFECTED BY param 'lr' WITHIN 1 AT bundle
-->
AFFECTED BY param 'lr' AT bundle WITHIN 1
;;
FROM affected(code 'git:HEAD')
-->
AFFECTED BY code 'git:HEAD'
;;
PATHS FROM 'raw' TO 'model@prod'
-->
PATHS FROM 'raw' TO 'model@prod'
;;
PATHS FROM run 'a' TO step 's'
-->
PATHS FROM run 'a' TO step 's'
;;
FROM paths('raw', 'model@prod', within := 4)
-->
PATHS FROM 'raw' TO 'model@prod' WITHIN 4
;;
PLAN FOR 'model'
-->
PLAN FOR 'model'
;;
HOW TO REBUILD 'model@prod'
-->
PLAN FOR 'model@prod'
;;
FROM plan('model')
-->
PLAN FOR 'model'
;;
DIFF 'm@v1', 'm@v2'
-->
DIFF 'm@v1', 'm@v2' ON all
;;
DIFF run 'a', run 'b' ON params
-->
DIFF run 'a', run 'b' ON params
;;
FROM diff('m@v1', 'm@v2', on := 'files')
-->
DIFF 'm@v1', 'm@v2' ON files
;;
DIFF 'm@v1', 'm@v2' ON all
-->
DIFF 'm@v1', 'm@v2' ON all
;;
WHY DOES 'model@v7' DIFFER FROM 'model@v6'
-->
WHY DOES 'model@v7' DIFFER FROM 'model@v6'
;;
WHY WAS run '7c2e' NOT REUSED
-->
WHY WAS run '7c2e' NOT REUSED
;;
WHY WAS '7c2e' NOT REUSED
-->
WHY WAS '7c2e' NOT REUSED
;;
WHAT CONTAINS file 'raw:a.csv'
-->
WHAT CONTAINS file 'raw:a.csv'
;;
WHAT CONTAINS hash 'ab12'
-->
WHAT CONTAINS hash 'ab12'
;;
EXPLAIN UPSTREAM OF 'm' -- why
-->
UPSTREAM OF 'm'
;;
GRAPH UPSTREAM OF 'm' WITHIN 2
-->
UPSTREAM OF 'm' WITHIN 2
;;
SELECT * FROM (FROM UPSTREAM OF 'm' /* all */ AT run) x;
-->
UPSTREAM OF 'm' AT run
