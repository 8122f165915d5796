"""Faults of the body: complete as HTTP, but not the JSON, the text or the size that was to be expected."""

import gzip
import zlib
from collections.abc import Mapping
from functools import cache

import msgspec
from aiohttp import web

from etl.fake_api.effects.ask import Ask, Effect, garble, refuse, say_instead, with_fields
from etl.fake_api.replies import JSON_HEADERS, html_reply
from etl.fake_api.world import StandInTask
from etl.tasks import TaskStatus

OVERSIZED_PADDING_BYTES = 5 * 1024 * 1024

NESTING = 100_000

HUGE_INTEGER_DIGITS = 100_000

BOMB_MEBIBYTES = 64

GZIP_HEADERS = {**JSON_HEADERS, "Content-Encoding": "gzip"}

GZIP_WINDOW_BITS = zlib.MAX_WBITS | 16
"""What makes zlib write a gzip header."""


def first_half(body: bytes) -> bytes:
    """The first half, which is no JSON any more."""
    return body[: len(body) // 2]


def without_commas(body: bytes) -> bytes:
    """The fields without commas between them, as some documented examples have it."""
    return body.replace(b",", b" ")


def with_byte_order_mark(body: bytes) -> bytes:
    """The honest bytes behind a mark that JSON does not allow."""
    return b"\xef\xbb\xbf" + body


def padded(task: StandInTask) -> object:
    """The honest detail with megabytes of padding."""
    return with_fields(task, padding="x" * OVERSIZED_PADDING_BYTES)


def not_a_number(task: StandInTask) -> object:
    """The honest detail and a NaN, which many writers put out and JSON does not know."""
    return with_fields(task, progress=msgspec.Raw(b"NaN"))


def deeply_nested(task: StandInTask) -> object:
    """The honest detail and a value that ends the stack of a parser that calls itself."""
    return with_fields(task, nested=msgspec.Raw(b"[" * NESTING + b"]" * NESTING))


def huge_status(task: StandInTask) -> object:
    """A status that no machine word holds, and that is slow to read for who has bigger ones."""
    return with_fields(task, status=msgspec.Raw(b"9" * HUGE_INTEGER_DIGITS))


def name_not_in_utf8(task: StandInTask) -> object:
    """A name in another encoding than the one that the header gives."""
    return with_fields(task, taskName=msgspec.Raw(b'"\xff\xfe"'))


def name_with_lone_surrogate(task: StandInTask) -> object:
    """A name that JSON can write and UTF-8 cannot."""
    return with_fields(task, taskName=msgspec.Raw(rb'"\ud800"'))


def two_statuses(body: bytes) -> bytes:
    """The honest status and, after it, another one; the parsers of this world disagree on which one counts."""
    honest = msgspec.json.decode(body)["status"]
    return body[:-1] + b',"status":%d}' % ((honest + 1) % len(TaskStatus))


@cache
def bomb() -> bytes:
    """About 64 KiB of gzip that expand to 64 MiB of JSON; made once."""
    compressor = zlib.compressobj(level=9, wbits=GZIP_WINDOW_BITS)
    mebibyte = b" " * 1024 * 1024
    parts = [compressor.compress(b"{")]
    parts += [compressor.compress(mebibyte) for _ in range(BOMB_MEBIBYTES)]
    return b"".join([*parts, compressor.compress(b"}"), compressor.flush()])


async def plain_text(ask: Ask) -> web.StreamResponse:
    """The honest detail, said to be text."""
    return web.Response(body=msgspec.json.encode(ask.task), content_type="text/plain")


async def gzipped(ask: Ask) -> web.StreamResponse:
    """The honest detail in gzip, whether the client accepts that or not."""
    return web.Response(body=gzip.compress(msgspec.json.encode(ask.task), mtime=0), headers=GZIP_HEADERS)


BODIES: Mapping[str, Effect] = {
    "html_200": refuse(html_reply),
    "empty_body": garble(lambda _body: b""),
    "truncated_json": garble(first_half),
    "invalid_json": garble(without_commas),
    "oversized": say_instead(padded),
    "nan_json": say_instead(not_a_number),
    "duplicate_keys": garble(two_statuses),
    "deep_json": say_instead(deeply_nested),
    "huge_integer": say_instead(huge_status),
    "invalid_utf8": say_instead(name_not_in_utf8),
    "byte_order_mark": garble(with_byte_order_mark),
    "lone_surrogate": say_instead(name_with_lone_surrogate),
    "plain_text": plain_text,
    "gzip": gzipped,
    "gzip_bomb": refuse(lambda: web.Response(body=bomb(), headers=GZIP_HEADERS)),
}
