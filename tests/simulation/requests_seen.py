"""What KooDrive saw in a night: the rate of all runs together, and the retries of each."""

from collections import Counter, defaultdict, deque

from tests.simulation.api import PASSING

ON_ITS_WAY_SECONDS = 0.5
"""A request may wait for a new token after it was admitted."""

AFTER_STEP_SECONDS = 4
"""After a step of the server's clock, runs hold shares by the old time and by the new."""


def require_rate(require, requests, *, max_rate, steps):
    """Require that KooDrive saw no more requests in any second than all runs together may send."""
    times = [asked.at for asked in requests]
    first = 0
    for number, at in enumerate(times):
        while times[first] <= at - 1 + 1e-6:
            first += 1
        seen = number - first + 1
        is_exact = not any(step <= at < step + AFTER_STEP_SECONDS for step in steps)
        require(
            seen <= max_rate or not is_exact,
            "never more than the rate in any second",
            f"{seen} requests in the second before {at - 1000:.2f}",
        )


def require_waits(require, requests, waits):
    """Require that a run sends nothing while KooDrive has asked it to wait; a request may be on its way already."""
    for asked in requests:
        for received_at, ends_at in waits[asked.by]:
            is_early = received_at + ON_ITS_WAY_SECONDS <= asked.at < ends_at
            require(not is_early, "a run waits as KooDrive asks", f"{asked.by.name} at {asked.at - 1000:.2f}")


def require_retries(require, requests, *, claims):
    """Require that the retries of each run stay a small share of its requests; probes are none.

    Neither is the first request after a claim: a run may claim a task again that another run has taken over meanwhile.
    """
    last, retries, sent, retried = {}, Counter(), Counter(), defaultdict(set)
    first_at, claims_left = {}, deque(claims)
    for asked in requests:
        while claims_left and claims_left[0][0] <= asked.at:
            last.pop(claims_left.popleft()[1:], None)
        run = asked.by
        sent[run] += 1
        first_at.setdefault(run, asked.at)
        if last.get((run, asked.task_id)) in PASSING and not asked.is_probe:
            retries[run] += 1
            retried[run].add(asked.task_id)
        last[run, asked.task_id] = asked.kind
        windows = 1 + (asked.at - first_at[run]) // 120
        # A task that gets no retry at once gets one at the end of the run.
        allowed = windows * max(10, 0.1 * sent[run]) + len(retried[run])
        require(retries[run] <= allowed, "the retry budget holds", f"{retries[run]} retries, {allowed:.0f}")
