-- How did KooDrive's answers differ from its documentation, and since when?
SELECT run.started_at, counter.name AS difference, counter.number AS answers
FROM audit_run_counter AS counter
JOIN audit_run AS run ON run.run_id = counter.run_id
WHERE counter.counter = 'drift'
ORDER BY run.started_at DESC, answers DESC, difference
