#!/usr/bin/env bash
# uvloop rounds a sleep to whole milliseconds: it wakes up to half a millisecond early, and a sleep below that is none.
#
# Guess: uvloop is a faster asyncio, whose sleep never ends before its time.
# Seen with uvloop 0.23.0: a hundred sleeps of 0.4 ms take less than 10 ms together, and a sleep of 10.4 ms ends after
# less than 10.4 ms by the loop's own clock. With asyncio neither happens.
# It would hurt: a limiter that sends after its sleep without a look at the clock sends too fast, from 2,000 requests per
# second on without any limit; one that looks again spins through the last half of a millisecond.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet uvloop==0.23.0
cat > look.py <<'PYTHON'
import asyncio

import uvloop


async def look():
    loop = asyncio.get_running_loop()
    begins = loop.time()
    for _ in range(100):
        await asyncio.sleep(0.0004)
    together = loop.time() - begins
    early = 0
    for _ in range(200):
        begins = loop.time()
        await asyncio.sleep(0.0104)
        early += loop.time() - begins < 0.0104
    return "does not sleep" if together < 0.010 else "sleeps", "wakes early" if early else "wakes late"


print("asyncio", *asyncio.run(look()))
print("uvloop", *uvloop.run(look()))
PYTHON
venv/bin/python look.py | tee seen
printf '%s\n' 'asyncio sleeps wakes late' 'uvloop does not sleep wakes early' > expected
if ! diff expected seen; then
    echo "uvloop behaves otherwise now"
    exit 1
fi
echo "as described"
