"""Which faults have met which states of a run, as a table."""

STATES = {
    "starting": ("starting",),
    "claim": ("claim", "claim_suspect", "count", "count_others", "can_claim"),
    "ask": ("asking",),
    "pause": ("paused",),
    "rate": ("lease", "pause"),
    "load": ("write",),
    "settle": ("settle", "audited_by_dead_runs"),
    "renew": ("renew",),
    "probe": ("known_tasks", "sample"),
    "stop": ("stopping", "release"),
    "end": ("start", "write_end", "count_held", "count_waiting"),
    "frozen": ("frozen",),
    "idle": ("between two steps",),
}
"""The states of a run by their head in the table, and the calls that are under way in each."""

HEADS = {word: head for head, words in STATES.items() for word in words}


def table_of(met):
    """Return a table in Markdown of how often each fault met each state.

    Args:
        met: the number of meetings by fault and state.
    """
    counts = {}
    for (fault, state), number in met.items():
        key = fault, HEADS.get(state, "end")
        counts[key] = counts.get(key, 0) + number
    faults = sorted({fault for fault, _ in counts})
    lines = [f"| fault | {' | '.join(STATES)} |", f"|---|{'--:|' * len(STATES)}"]
    for fault in faults:
        cells = [f"{counts[fault, state]:,}" if (fault, state) in counts else "" for state in STATES]
        lines.append(f"| {fault} | {' | '.join(cells)} |")
    pairs, possible = len(counts), len(faults) * len(STATES)
    return "\n".join([*lines, "", f"{pairs} of {possible} pairs of a fault and a state of a run were met."])
