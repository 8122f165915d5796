#!/usr/bin/env bash
# APScheduler skips the first night after the clocks go forward, if a job starts in the first hour of the day.
#
# Guess: a day of 23 hours moves or repeats at most what stands between 02:00 and 03:00, as with cron.
# Seen with apscheduler 3.11.3: `30 0 * * *` in Europe/Berlin fires on 28 and 29 March 2026, and then on the 31st. The
# same holds in America/New_York (not on 9 March) and Australia/Sydney (not on 5 October), and not in Europe/London,
# where the clocks change at 01:00, nor for a job at 01:00, 05:00 or 23:45.
# It would hurt: who starts a nightly job at half past midnight has no run of one night a year, and no error says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet apscheduler==3.11.3 tzdata==2025.2
cat > look.py <<'PYTHON'
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger


def days(crontab, zone, start):
    """The days on which a trigger fires, asked one second after each time as its scheduler does."""
    trigger = CronTrigger.from_crontab(crontab, timezone=ZoneInfo(zone))
    fires, now = None, start.replace(tzinfo=ZoneInfo(zone))
    for _ in range(4):
        fires = trigger.get_next_fire_time(fires, now)
        yield fires.day
        now = (fires.astimezone(UTC) + timedelta(seconds=1)).astimezone(ZoneInfo(zone))


for crontab in ("30 0 * * *", "0 1 * * *", "45 23 * * *"):
    for zone, start in (
        ("Europe/Berlin", datetime(2026, 3, 27, 12)),
        ("America/New_York", datetime(2026, 3, 6, 12)),
        ("Europe/London", datetime(2026, 3, 27, 12)),
    ):
        print(crontab, zone, *days(crontab, zone, start))
PYTHON
venv/bin/python look.py | tee seen
cat > expected <<'TEXT'
30 0 * * * Europe/Berlin 28 29 31 1
30 0 * * * America/New_York 7 8 10 11
30 0 * * * Europe/London 28 29 30 31
0 1 * * * Europe/Berlin 28 29 30 31
0 1 * * * America/New_York 7 8 9 10
0 1 * * * Europe/London 28 29 30 31
45 23 * * * Europe/Berlin 27 28 29 30
45 23 * * * America/New_York 6 7 8 9
45 23 * * * Europe/London 27 28 29 30
TEXT
if ! diff expected seen; then
    echo "APScheduler behaves otherwise now"
    exit 1
fi
echo "as described"
