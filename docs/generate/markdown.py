"""Markdown, and what the sources say beside a name."""

import ast
from collections.abc import Iterable, Sequence
from importlib import import_module
from inspect import getsource
from itertools import pairwise


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draw a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def sentence(docstring: str | None) -> str:
    """Take the first paragraph of a docstring, as one line."""
    return " ".join((docstring or "").partition("\n\n")[0].split())


def attribute_docstrings(class_: type) -> dict[str, str]:
    """Read the strings that stand below the attributes of a class, which Python itself forgets."""
    module = ast.parse(getsource(import_module(class_.__module__)))
    body = next(node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == class_.__name__)
    said = {}
    for node, below in pairwise(body):
        match node, below:
            case (
                ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]),
                ast.Expr(ast.Constant(str(text))),
            ):
                said[name] = sentence(text)
    return said
