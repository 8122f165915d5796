#!/usr/bin/env bash
# In the nights in which the clocks change, libraries that read crontab lines fire a job at other times, and once or twice.
#
# Guess: they all follow cron, which runs a job of a fixed time once on both nights.
# Seen in Europe/Berlin with croniter 7.0.0, cronsim 2.8 and apscheduler 3.11.3, for `30 2 * * *`. In the night in which
# 02:30 comes twice, cronsim fires once, and croniter and APScheduler fire twice, an hour apart. In the night without
# 02:30, croniter and cronsim fire at 03:00, and APScheduler at 03:30.
# It would hurt: the same crontab line means two runs a year more in one orchestrator than in another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet croniter==7.0.0 cronsim==2.8 apscheduler==3.11.3 tzdata==2025.2
cat > look.py <<'PYTHON'
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from croniter import croniter
from cronsim import CronSim

ZONE = ZoneInfo("Europe/Berlin")
LINE = "30 2 * * *"


def by_croniter(start):
    return croniter(LINE, start).all_next(datetime)


def by_cronsim(start):
    return CronSim(LINE, start)


def by_apscheduler(start):
    trigger, fires, now = CronTrigger.from_crontab(LINE, timezone=ZONE), None, start
    while True:
        fires = trigger.get_next_fire_time(fires, now)
        yield fires
        now = (fires.astimezone(UTC) + timedelta(seconds=1)).astimezone(ZONE)


for name, start in (("forward", datetime(2026, 3, 28, 12)), ("back", datetime(2026, 10, 24, 12))):
    end = start.replace(tzinfo=ZONE) + timedelta(days=1)
    for library in (by_croniter, by_cronsim, by_apscheduler):
        times = [fires.astimezone(UTC) for fires in islice(library(start.replace(tzinfo=ZONE)), 3)]
        print(name, library.__name__, *(f"{each:%H:%M}" for each in times if each < end))
PYTHON
venv/bin/python look.py | tee seen
cat > expected <<'TEXT'
forward by_croniter 01:00
forward by_cronsim 01:00
forward by_apscheduler 01:30
back by_croniter 00:30 01:30
back by_cronsim 00:30
back by_apscheduler 00:30 01:30
TEXT
if ! diff expected seen; then
    echo "One of the libraries behaves otherwise now"
    exit 1
fi
echo "as described"
