"""What to do about a dead letter, by its reason."""

REMEDIES = {
    "not_found": "KooDrive does not know the task. Check that the ID is right and of this region and tenant.",
    "forbidden": "The job's user may not see the task. Grant it the right, then retry.",
    "bad_payload": "KooDrive answered nonsense twice. Give the trace ID to its support, and retry later.",
    "too_large": "The answer is larger than any task's could be. Give the trace ID to KooDrive's support.",
    "invalid_id": "This is no task ID. Find out who put it into the pending table.",
    "rejected": "KooDrive refuses the question. Read the detail; give the trace ID to its support.",
    "exhausted": "It failed in too many runs. Look at the last failure, then retry once the API is well.",
}
OTHER_REMEDY = "Read the detail, then retry."
