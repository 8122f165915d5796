"""Reads PromQL: the metrics that an expression selects, and their labels."""

import promql_parser


def selectors(expression):
    """Return the metrics of an expression, each with the labels that select it."""
    found = []

    def note(part):
        if isinstance(part, promql_parser.VectorSelector):
            found.append((part.name, {matcher.name for matcher in part.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(expression), note)
    return found
