"""Backs up at the times of SCHEDULE: five fields of cron, in UTC.

A time that passed since the newest backup is made up for. A failure makes the container unhealthy until a backup
succeeds.
"""

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

FAILED = Path("/tmp/failed")  # for the health check
MINUTE = timedelta(minutes=1)
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def due(fields, at):
    """Returns true if the schedule has this minute. Two restricted days mean either, as in cron."""
    values = (at.minute, at.hour, at.day, at.month, at.isoweekday() % 7)
    minute, hour, day, month, weekday = map(fits, fields, values, LIMITS)
    either = "*" not in (fields[2][0], fields[4][0])
    return minute and hour and month and (day or weekday if either else day and weekday)


def fits(field, value, limits):
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = limits[0] if span == "*" else int(first)
        end = int(last) if last else limits[1] if span == "*" or step else start
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


def now():
    return datetime.now(timezone.utc).replace(second=0, microsecond=0)


def newest():
    """Returns the time of the newest backup, or of the start if there is none."""
    times = [path.stat().st_mtime for path in Path(os.environ["BACKUPS"]).glob("chroma-*.tar.gz")]
    return datetime.fromtimestamp(max(times), timezone.utc) if times else now()


def main():
    fields = os.environ["SCHEDULE"].split()
    checked = newest().replace(second=0, microsecond=0)
    while True:
        until = now()
        passed = (until - checked) // MINUTE
        if any(due(fields, until - back * MINUTE) for back in range(passed)):
            done = subprocess.run([sys.executable, Path(__file__).with_name("backup.py")])
            FAILED.touch() if done.returncode else FAILED.unlink(missing_ok=True)
        checked = max(checked, until)
        time.sleep(60 - time.time() % 60)


if __name__ == "__main__":
    main()
