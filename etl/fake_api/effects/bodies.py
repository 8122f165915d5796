"""Faults of the body: complete as HTTP, but with unexpected JSON, text or size."""

import gzip
import zlib
from collections.abc import Mapping
from functools import cache

import msgspec
from aiohttp import web

from etl.fake_api.effects.effect import Effect, StruckRequest, corrupt, refuse, respond_with, with_fields
from etl.fake_api.responses import JSON_HEADERS, html_response
from etl.fake_api.world import StandInTask
from etl.tasks.detail import MAX_ID_CHARACTERS, TaskStatus

OVERSIZED_PADDING_BYTES = 5 * 1024 * 1024

NESTING = 20_000

HUGE_INTEGER_DIGITS = 50_000
"""Less than the client reads of a body."""

WIDE_TEXT = "\U0001f600" + "x" * 3_999
"""The longest name that is stored whole. One wide character makes Python take four bytes for each of the others."""

FAT_NAME_CHARACTERS = 65_000
"""A name that makes a body just shorter than the client reads."""

BOMB_MEBIBYTES = 64

GZIP_HEADERS = {**JSON_HEADERS, "Content-Encoding": "gzip"}

GZIP_WINDOW_BITS = zlib.MAX_WBITS | 16
"""Makes zlib write a gzip header."""


def first_half(body: bytes) -> bytes:
    """Cut the second half off, so that the rest is not JSON."""
    return body[: len(body) // 2]


def without_commas(body: bytes) -> bytes:
    """Remove the commas between the fields, as in some documented examples."""
    return body.replace(b",", b" ")


def with_byte_order_mark(body: bytes) -> bytes:
    """Prepend a byte order mark, which JSON does not allow."""
    return b"\xef\xbb\xbf" + body


def padded(task: StandInTask) -> object:
    """Add megabytes of padding."""
    return with_fields(task, padding="x" * OVERSIZED_PADDING_BYTES)


def long_texts(task: StandInTask) -> object:
    """Set all texts to the longest that are stored whole."""
    return msgspec.structs.replace(
        task,
        task_name=WIDE_TEXT,
        response_message=WIDE_TEXT,
        tenant_id="t" * MAX_ID_CHARACTERS,
        user_id="u" * MAX_ID_CHARACTERS,
    )


def fat_name(task: StandInTask) -> object:
    """Set a name that nearly fills the longest body that is read."""
    return msgspec.structs.replace(task, task_name="x" * FAT_NAME_CHARACTERS)


def not_a_number(task: StandInTask) -> object:
    """Add a NaN, which many libraries write although JSON has none."""
    return with_fields(task, progress=msgspec.Raw(b"NaN"))


def deeply_nested(task: StandInTask) -> object:
    """Add a value that exhausts the stack of a recursive parser."""
    return with_fields(task, nested=msgspec.Raw(b"[" * NESTING + b"]" * NESTING))


def huge_status(task: StandInTask) -> object:
    """Set a status that no machine word holds, and that is slow to read as an integer of any size."""
    return with_fields(task, status=msgspec.Raw(b"9" * HUGE_INTEGER_DIGITS))


def name_not_in_utf8(task: StandInTask) -> object:
    """Set a name in another encoding than the header declares."""
    return with_fields(task, taskName=msgspec.Raw(b'"\xff\xfe"'))


def name_with_lone_surrogate(task: StandInTask) -> object:
    """Set a name that JSON can hold and UTF-8 cannot."""
    return with_fields(task, taskName=msgspec.Raw(rb'"\ud800"'))


def two_statuses(body: bytes) -> bytes:
    """Add a second status after the honest one; parsers disagree on which one counts."""
    honest = msgspec.json.decode(body)["status"]
    return body[:-1] + b',"status":%d}' % ((honest + 1) % len(TaskStatus))


@cache
def bomb() -> bytes:
    """Return about 64 KiB of gzip that expand to 64 MiB of JSON."""
    compressor = zlib.compressobj(level=9, wbits=GZIP_WINDOW_BITS)
    mebibyte = b" " * 1024 * 1024
    parts = [compressor.compress(b"{")]
    parts += [compressor.compress(mebibyte) for _ in range(BOMB_MEBIBYTES)]
    return b"".join([*parts, compressor.compress(b"}"), compressor.flush()])


async def plain_text(struck: StruckRequest) -> web.StreamResponse:
    """Send the honest detail as plain text."""
    return web.Response(body=msgspec.json.encode(struck.honest), content_type="text/plain")


async def gzipped(struck: StruckRequest) -> web.StreamResponse:
    """Send the honest detail in gzip, even to a client that does not accept gzip."""
    return web.Response(body=gzip.compress(msgspec.json.encode(struck.honest), mtime=0), headers=GZIP_HEADERS)


BODIES: Mapping[str, Effect] = {
    "html_200": refuse(html_response),
    "empty_body": corrupt(lambda _body: b""),
    "truncated_json": corrupt(first_half),
    "invalid_json": corrupt(without_commas),
    "oversized": respond_with(padded),
    "long_texts": respond_with(long_texts),
    "fat_name": respond_with(fat_name),
    "nan_json": respond_with(not_a_number),
    "duplicate_keys": corrupt(two_statuses),
    "deep_json": respond_with(deeply_nested),
    "huge_integer": respond_with(huge_status),
    "invalid_utf8": respond_with(name_not_in_utf8),
    "byte_order_mark": corrupt(with_byte_order_mark),
    "lone_surrogate": respond_with(name_with_lone_surrogate),
    "plain_text": plain_text,
    "gzip": gzipped,
    "gzip_bomb": refuse(lambda: web.Response(body=bomb(), headers=GZIP_HEADERS)),
}
