-- Do the queue and the facts agree on every task? Disagreements come first.
-- queue_state is a copy of the pending table. Replace it by the table's name to query a shared database by hand.
WITH known AS (
    SELECT q.task_id, q.state, 0 AS fact, 0 AS finished, 0 AS dead
    FROM queue_state AS q
    UNION ALL
    SELECT f.task_id, NULL, 1, CASE WHEN s.is_terminal THEN 1 ELSE 0 END, 0
    FROM fact_task_status AS f
    LEFT JOIN dim_task_status AS s ON s.status = f.status
    UNION ALL
    -- 2 is an open dead letter. 1 is settled by an audit or discarded.
    SELECT d.task_id, NULL, 0, 0, CASE WHEN d.resolved_at IS NULL THEN 2 ELSE 1 END
    FROM dead_letter AS d
),
task AS (
    SELECT
        task_id,
        MAX(state) AS state,
        MAX(fact) AS fact,
        MAX(finished) AS finished,
        MAX(dead) AS dead
    FROM known
    GROUP BY task_id
),
judged AS (
    SELECT
        task_id,
        CASE
            WHEN state = 'done' AND finished = 0 THEN 'done, but without a finished fact'
            WHEN state = 'done' AND dead = 2 THEN 'done, but its dead letter is open'
            WHEN state = 'dead' AND dead = 0 THEN 'dead, but without a dead letter'
            WHEN state = 'dead' AND finished = 1 THEN 'dead, but its fact is finished'
            WHEN state = 'pending' AND dead = 2 THEN 'pending again after a dead letter'
            WHEN state = 'pending' AND finished = 1 THEN 'pending, but its fact is finished'
            -- `task-audit prune` deletes finished tasks from the queue.
            WHEN state IS NULL AND fact = 1 AND finished = 0 THEN 'a fact, but not in the queue'
            WHEN state IS NULL AND dead = 2 THEN 'a dead letter, but not in the queue'
            ELSE 'agreed'
        END AS finding
    FROM task
)
SELECT finding, COUNT(*) AS tasks, MIN(task_id) AS first_task_id
FROM judged
GROUP BY finding
ORDER BY CASE WHEN finding = 'agreed' THEN 1 ELSE 0 END, tasks DESC, finding
