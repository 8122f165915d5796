#!/usr/bin/env bash
# A low-level server of MCP's SDK 2 hands arguments on that do not fit the schema of its tool; in SDK 1 it refused them.
#
# Guess: whoever hands the SDK an input schema gets arguments that fit it, as the decorator `call_tool` of SDK 1 did it,
# and the new `on_call_tool` is another way to write the same.
# Seen with mcp 1.30.0: a wrong type, a number above the maximum and a missing argument are answered with "Input
# validation error". Seen with mcp 2.3.0: the handler gets each of them, and an argument that the schema does not have.
# The client of SDK 2 does not look at the schema either.
# It would hurt: a tool that took the schema for its limit answers for 9,999 days after an upgrade, and one that reads
# `arguments["days"]` ends with an error of Python.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv first
first/bin/pip install --quiet mcp==1.30.0
python3 -m venv second
second/bin/pip install --quiet mcp==2.3.0
cat > cases.py <<'PYTHON'
CASES = [{"days": 7}, {"days": "seven"}, {"days": 9999}, {"tage": 7}, {}]
SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer", "maximum": 31}},
    "required": ["days"],
    "additionalProperties": False,
}
PYTHON
cat > first.py <<'PYTHON'
import asyncio
import json

from cases import CASES, SCHEMA
from mcp import types
from mcp.server.lowlevel import Server
from mcp.shared.memory import create_connected_server_and_client_session

server = Server("finding")


@server.list_tools()
async def list_tools():
    return [types.Tool(name="failed", inputSchema=SCHEMA)]


@server.call_tool()
async def call_tool(_name, arguments):
    return [types.TextContent(type="text", text=f"called with {json.dumps(arguments)}")]


async def main():
    async with create_connected_server_and_client_session(server) as client:
        for arguments in CASES:
            result = await client.call_tool("failed", arguments)
            print("1", json.dumps(arguments), "refused" if result.isError else result.content[0].text)


asyncio.run(main())
PYTHON
cat > second.py <<'PYTHON'
import asyncio
import json

import mcp_types as types
from cases import CASES, SCHEMA
from mcp import Client
from mcp.server.lowlevel import Server


async def list_tools(_context, _parameters):
    return types.ListToolsResult(tools=[types.Tool(name="failed", input_schema=SCHEMA)])


async def call_tool(_context, parameters):
    text = f"called with {json.dumps(parameters.arguments)}"
    return types.CallToolResult(content=[types.TextContent(text=text)])


async def main():
    async with Client(Server("finding", on_list_tools=list_tools, on_call_tool=call_tool)) as client:
        for arguments in CASES:
            result = await client.call_tool("failed", arguments)
            print("2", json.dumps(arguments), "refused" if result.is_error else result.content[0].text)


asyncio.run(main())
PYTHON
{
    first/bin/python first.py
    second/bin/python second.py
} 2> errors | tee seen
cat > expected <<'SEEN'
1 {"days": 7} called with {"days": 7}
1 {"days": "seven"} refused
1 {"days": 9999} refused
1 {"tage": 7} refused
1 {} refused
2 {"days": 7} called with {"days": 7}
2 {"days": "seven"} called with {"days": "seven"}
2 {"days": 9999} called with {"days": 9999}
2 {"tage": 7} called with {"tage": 7}
2 {} called with {}
SEEN
if ! diff expected seen; then
    tail -5 errors
    echo "The SDK behaves otherwise now"
    exit 1
fi
echo "as described"
