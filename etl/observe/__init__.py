"""Reporting a run to others: logs, metrics, traces, lineage and messages. It does not know how a run works."""
