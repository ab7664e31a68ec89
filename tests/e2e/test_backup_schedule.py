"""The schedule of backups on docker: which minutes it has, as cron defines them."""

import importlib.util
from datetime import UTC, datetime, timedelta

import pytest
from conftest import ROOT

pytestmark = pytest.mark.docker

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def schedule(monkeypatch, tmp_path):
    monkeypatch.setenv("BACKUPS", str(tmp_path))
    spec = importlib.util.spec_from_file_location("schedule", ROOT / "templates/backup/schedule.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "days", "times"),
    [
        ("17 3 * * *", 1, ["0 03:17"]),
        ("30 */6 * * *", 1, ["0 00:30", "0 06:30", "0 12:30", "0 18:30"]),
        ("0,15 4-5 * * *", 1, ["0 04:00", "0 04:15", "0 05:00", "0 05:15"]),
        ("50/5 23 * * *", 1, ["0 23:50", "0 23:55"]),
        ("0 1-9/4 * * *", 1, ["0 01:00", "0 05:00", "0 09:00"]),
        ("0 0 * * 0", 14, ["6 00:00", "13 00:00"]),  # Sundays
        ("0 0 */2 * *", 5, ["1 00:00", "3 00:00"]),  # odd days: December 1 and 3
        ("0 0 1 * *", 40, ["1 00:00", "32 00:00"]),
        ("0 0 1 12 *", 400, ["1 00:00", "366 00:00"]),
        ("0 0 2 * 1", 8, ["0 00:00", "2 00:00", "7 00:00"]),  # both days restricted: either
        ("0 0 */2 * 1", 8, ["7 00:00"]),  # one begins with a star: both; Monday, December 7
    ],
)
def test_minutes_of_a_schedule_are_those_of_cron(schedule, text, days, times):
    fields = text.split()
    minutes = [MONDAY + timedelta(minutes=minute) for minute in range(days * 24 * 60)]
    due = [at for at in minutes if schedule.due(fields, at)]
    assert [f"{(at - MONDAY).days} {at:%H:%M}" for at in due] == times


def test_times_that_passed_since_the_newest_backup_are_made_up_for(schedule, tmp_path):
    assert schedule.newest() == schedule.now(), "without a backup, nothing was missed"
    (tmp_path / "chroma-20200101T000000Z.tar.gz").touch()
    assert abs(schedule.newest() - datetime.now(UTC)) < timedelta(minutes=1)
