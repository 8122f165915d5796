"""The reference for the whole job: the leanest aiohttp loop over the same URLs.

Call it as ``bare_loop.py URL IDS.txt [--uvloop]``.

The loop has no rate limit, retries, leases or facts: it reads each body, decodes it and drops it. It prints its seconds
without the start of the process.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
from yarl import URL

WORKERS = 64
TASK_PATH = "/koodrive/ose/v1/task/"


class Detail(msgspec.Struct, rename="camel"):
    """The documented fields of an answer."""

    task_id: str
    task_name: str
    task_type: int
    tenant_id: str
    user_id: str
    status: int
    result_code: str | None = None


def headers():
    """Make the headers once; their date holds for fifteen minutes."""
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return {"Authorization": "Bearer bench", "X-User-Id": "1505084218764547200", "X-Date": date, "language": "en-US"}


async def ask_all(base_url, task_ids):
    """Ask about every task, with workers that share an iterator; returns how many answers came."""
    connector = aiohttp.TCPConnector(limit=WORKERS, ttl_dns_cache=300)
    decode = msgspec.json.Decoder(Detail).decode
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=headers(), raise_for_status=True
    ) as session:

        async def work():
            answers = 0
            for task_id in task_ids:
                url = URL(f"{base_url}{TASK_PATH}{task_id}", encoded=True)
                async with session.get(url, allow_redirects=False) as response:
                    decode(await response.read())
                answers += 1
            return answers

        return sum(await asyncio.gather(*(work() for _ in range(WORKERS))))


def main(base_url, ids_file, *options):
    task_ids = Path(ids_file).read_text(encoding="utf-8").split()
    started = time.perf_counter()
    run = __import__("uvloop").run if options else asyncio.run
    answers = run(ask_all(base_url, iter(task_ids)))
    if answers != len(task_ids):
        sys.exit(f"{answers} answers to {len(task_ids)} questions")
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
