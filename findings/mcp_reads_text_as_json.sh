#!/usr/bin/env bash
# The MCP SDK reads the text of an argument that may be missing as JSON, and ignores arguments that no tool has.
#
# Guess: a parameter `note: str | None` gets the text that the client sends, and an unknown argument is refused.
# Seen with mcp 2.3.0: the text `null` arrives as None, `[1, 2]` and `{"a": 1}` are refused since they are no text any
# more; `12` and `true` arrive as they are. A parameter `note: str` gets each of them unchanged. An argument with a
# wrong name is dropped without an error.
# It would hurt: a filter of an assistant with a misspelt name answers for all tasks, and a search for the text `null`
# for any.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mcp==2.3.0
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import asyncio
import json
import logging

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

logging.disable(logging.CRITICAL)
server = MCPServer("finding")


@server.tool()
def optional(note: str | None = None) -> str:
    return json.dumps(note)


@server.tool()
def required(note: str) -> str:
    return json.dumps(note)


async def outcome(tool, **arguments):
    try:
        return json.loads((await server.call_tool(tool, arguments)).content[0].text)
    except ToolError:
        return "refused"


async def main():
    expected = {"null": None, "[1, 2]": "refused", '{"a": 1}': "refused", "12": "12", "true": "true"}
    for text, value in expected.items():
        seen = await outcome("optional", note=text), await outcome("required", note=text)
        print(f"{text:<10} str | None: {seen[0]!r:<10} str: {seen[1]!r}")
        assert seen == (value, text), "the SDK behaves otherwise now"
    seen = await outcome("optional", nota="x")
    print("an argument that the tool does not have:", seen)
    assert seen is None, "the SDK refuses an unknown argument now"


asyncio.run(main())
PYTHON
