"""Tells the events of a night as a story, one line an event."""


def told(played):
    lines = [str(played.scenario)]
    for at, who, what in played.story:
        words = (
            what
            if isinstance(what, str)
            else " ".join([what["event"], *(f"{name}={value}" for name, value in what.items() if name != "event")])
        )
        lines.append(f"{at:9.2f}  {who:<12} {words[:200]}")
    lines.append(f"BROKEN: {played.broken}" if played.broken else "All invariants held.")
    return "\n".join(lines)
