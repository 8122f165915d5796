"""PromQL, read by a parser: which metrics an expression asks for, and by which labels."""

import promql_parser


def selectors(expression):
    """The metrics of an expression, each with the labels it is selected by."""
    found = []

    def note(part):
        if isinstance(part, promql_parser.VectorSelector):
            found.append((part.name, {matcher.name for matcher in part.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(expression), note)
    return found
