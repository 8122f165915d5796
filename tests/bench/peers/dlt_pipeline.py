"""A pipeline of dlt, tuned by hand.

Call it as ``dlt_pipeline.py URL IDS.txt DATABASE FOLDER``; DATABASE is a URL of PostgreSQL or a DuckDB file. An aiohttp
loop asks about the tasks and hands over Arrow tables of 5,000 rows, which spares dlt the work for each row. It has no
rate limit, retries, leases or history: it appends what it was told.
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import dlt
import msgspec
import pyarrow as pa
from yarl import URL

WORKERS, BATCH = 64, 5_000
TASK_PATH = "/koodrive/ose/v1/task/"
COLUMNS = ("taskId", "taskName", "taskType", "tenantId", "userId", "status", "resultCode", "code", "msg")


async def answers(base_url, task_ids):
    """Ask about these tasks."""
    decode = msgspec.json.Decoder().decode
    connector = aiohttp.TCPConnector(limit=WORKERS, ttl_dns_cache=300)
    headers = {"Authorization": "Bearer bench", "X-User-Id": "1505084218764547200"}
    found, waiting = [], iter(task_ids)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=headers, raise_for_status=True
    ) as session:

        async def work():
            for task_id in waiting:
                async with session.get(URL(f"{base_url}{TASK_PATH}{task_id}", encoded=True)) as response:
                    found.append(decode(await response.read()))

        await asyncio.gather(*(work() for _ in range(WORKERS)))
    return found


@dlt.resource(name="task_status", write_disposition="append")
def task_status(base_url, task_ids):
    """Yield a table for each batch of tasks."""
    for start in range(0, len(task_ids), BATCH):
        found = asyncio.run(answers(base_url, task_ids[start : start + BATCH]))
        yield pa.table({name: [answer.get(name) for answer in found] for name in COLUMNS})


def destination(database):
    """Return the destination and the form of files that it loads fastest."""
    if "://" not in database:
        return dlt.destinations.duckdb(database), "parquet"
    url = urlsplit(database)
    (socket,) = parse_qs(url.query)["host"]
    # dlt writes the host into a URL as it is, and libpq takes a folder there only if its slashes are encoded.
    server = {
        "host": quote(socket, safe=""),
        "database": url.path.lstrip("/"),
        "username": "postgres",
        "password": "none",
    }
    return dlt.destinations.postgres(server), "csv"


def main(base_url, ids_file, database, folder):
    task_ids = Path(ids_file).read_text(encoding="utf-8").split()
    target, file_format = destination(database)
    pipeline = dlt.pipeline("bench", destination=target, dataset_name="bench", pipelines_dir=folder)
    pipeline.run(task_status(base_url, task_ids), loader_file_format=file_format)
    rows = pipeline.last_trace.last_normalize_info.row_counts["task_status"]
    if rows != len(task_ids):
        sys.exit(f"{rows} rows of {len(task_ids)} tasks")


if __name__ == "__main__":
    main(*sys.argv[1:])
