"""Every error has a code, every code a page, and the page says of it what the code says."""

import ast
import re

import pytest

from etl import errors
from etl.database.engines.duckdb import BY_PHRASE
from etl.database.engines.postgresql import ADVICE, ADVICE_BY_PHRASE
from etl.database.error_map import MEANING
from etl.error_codes import Code
from etl.errors import ConfigurationError, TaskAuditError
from etl.jobs.parameters import ParameterError
from etl.koodrive.response_codes import FATAL_GATEWAY_CODES, FATAL_STATUSES, status_ending
from etl.resources import page_of, resource

PAGES = resource("docs", "errors")
CLASSES = {
    name: each
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, TaskAuditError) and each is not TaskAuditError
} | {"ParameterError": ParameterError}
PARTS = ("It says", "Why", "Check", "Remedy", "Settings")


def found():
    """What the code raises by name: the class, the code, and the words that are always in the message."""
    for file in resource("etl").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[message]) if name in CLASSES:
                    (code,) = (each.value.attr for each in node.keywords if each.arg == "code")
                    yield CLASSES[name], Code[code], list(words(message))


def words(node):
    match node:
        case ast.Constant(value=str(text)) if re.search("[a-z]", text):
            yield text.strip(" .:,'")
        case ast.FormattedValue() | ast.Call():
            pass
        case _:
            for child in ast.iter_child_nodes(node):
                yield from words(child)


@pytest.fixture(scope="module")
def raised():
    return list(found())


IN_TABLES = {
    *((fault, code) for fault, (code, _) in MEANING.items()),
    *((ConfigurationError, code) for code, _ in [*ADVICE.values(), *ADVICE_BY_PHRASE.values()]),
    *((fault, code) for fault, code, _ in BY_PHRASE.values()),
    *((fatal.error, fatal.code) for fatal in [*FATAL_GATEWAY_CODES.values(), *FATAL_STATUSES.values()]),
    *((ending.error, ending.code) for ending in map(status_ending, range(200, 600))),
}


def test_every_code_is_raised(raised):
    assert len(raised) > 80
    assert {code for _, code, _ in raised} | {code for _, code in IN_TABLES} == set(Code)


def test_every_code_has_a_page_and_every_page_a_code():
    assert {file.stem for file in PAGES.iterdir()} == {*Code, "index"}


def test_a_code_has_the_exit_code_of_the_errors_that_carry_it(raised):
    codes = {(code, fault.exit_code) for fault, code in IN_TABLES}
    codes |= {(code, error.exit_code) for error, code, _ in raised}
    assert codes == {(code, code.exit_code) for code in Code}


@pytest.mark.parametrize("code", Code)
def test_a_page_is_one_screen_with_all_that_an_operator_asks(code):
    page = page_of(code)
    exit_code = code.exit_code
    again = "Kubernetes and systemd try it again." if exit_code.retry else "it is not tried again by itself."

    assert page.startswith(f"# {code}\n\n{code.sentence}\n\nExit code {exit_code}; {again}\n")
    assert tuple(re.findall(r"^\*\*([A-Z][a-z ]+)\.?\*\*", page, re.MULTILINE)) == PARTS
    assert len(page.splitlines()) <= 30


def test_a_page_has_the_sentences_of_the_code(raised):
    for _, code, fragments in raised:
        for fragment in fragments:
            assert fragment in page_of(code), code


def test_a_page_names_settings_that_there_are():
    from etl.settings.load import Settings, load_configuration

    known = {row.name for row in load_configuration().rows()}
    named = {code: re.findall(rf"`((?:{'|'.join(Settings.model_fields)})\.\w+)", page_of(code)) for code in Code}
    assert any(named.values())
    for code, names in named.items():
        assert set(names) <= known, code


def test_a_code_stands_in_front_where_only_text_is_kept():
    error = errors.StoppedError("Stopped.", code=Code.STOPPED_BY_SIGNAL, remedy="Go on.")
    assert str(error) == "[stopped-by-signal] Stopped. Go on."
