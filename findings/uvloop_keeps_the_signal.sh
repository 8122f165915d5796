#!/usr/bin/env bash
# uvloop leaves its own handler of a signal behind when its loop is closed, and the process ignores the signal from then on.
#
# Guess: as with asyncio, the handlers of loop.add_signal_handler go with the loop, and SIGTERM ends the process again.
# Seen with uvloop 0.23.0: after uvloop.run() of a coroutine that handles SIGTERM and does not remove its handler, the
# process survives SIGTERM. With asyncio.run() it dies of it.
# It would hurt: a job that still sends metrics and messages after its loop does not end when its scheduler says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet uvloop==0.23.0
cat > look.py <<'PYTHON'
import asyncio
import os
import signal
import sys

import uvloop


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)


{"asyncio": asyncio, "uvloop": uvloop}[sys.argv[1]].run(main())
os.kill(os.getpid(), signal.SIGTERM)
print("is still there")
PYTHON
for loop in asyncio uvloop; do
    if said=$(venv/bin/python look.py "$loop" 2> /dev/null); then echo "$loop $said"; else echo "$loop ends with $?"; fi
done | tee seen
printf '%s\n' 'asyncio ends with 143' 'uvloop is still there' > expected
if ! diff expected seen; then
    echo "uvloop behaves otherwise now"
    exit 1
fi
echo "as described"
