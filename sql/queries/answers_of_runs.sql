-- How did the API answer in each run, by HTTP status, or by the failure if there was no answer?
SELECT run.started_at, run.outcome, counter.name AS http_status, counter.number AS answers
FROM audit_run_counter AS counter
JOIN audit_run AS run ON run.run_id = counter.run_id
WHERE counter.counter = 'http_status'
ORDER BY run.started_at DESC, answers DESC, http_status
