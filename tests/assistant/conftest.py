"""A client of the SDK, which starts the server as a program of its own and speaks to it over stdio."""

import asyncio
import os
import sys

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


@pytest.fixture
def conversation(tmp_path):
    """Run ``speak(client)`` against a server: ``conversation(speak)`` gives back its result and the server's log."""

    def run(speak, mode="auto"):
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "etl", "mcp"], env=dict(os.environ), cwd=tmp_path
        )

        async def talk():
            with (tmp_path / "log").open("w", encoding="utf-8") as log:
                async with Client(stdio_client(server, errlog=log), mode=mode) as client:
                    return await speak(client)

        return asyncio.run(talk()), (tmp_path / "log").read_text(encoding="utf-8")

    return run
