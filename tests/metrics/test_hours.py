"""Business hours: the days and times that a business answers, as its operator writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from rows import for_each

from whatsself_otel.metrics.hours import DAY_MINUTES, DAYS, FORM, BusinessHours, OpenSpan, clock

SAO_PAULO = "America/Sao_Paulo"
MONDAY = datetime(2026, 11, 30, tzinfo=ZoneInfo(SAO_PAULO))


def opens(hours: BusinessHours, day: str, time: str) -> bool:
    """Return whether *hours* are open on that day of the week of 30 November 2026, at that time of São Paulo."""
    at = MONDAY + timedelta(days=DAYS.index(day), hours=int(time[:2]), minutes=int(time[3:]))
    return hours.is_open(at.timestamp())


def parse(hours: str, holidays: str = "", zone: str = SAO_PAULO) -> BusinessHours:
    return BusinessHours.parse(hours, zone, holidays)


class TestDays:
    """Which days, and the first and last minute of each."""

    @for_each("day", DAYS)
    def test_times_alone_are_from_monday_to_friday(self, day: str) -> None:
        assert opens(parse("09:00-18:00"), day, "12:00") == (day not in {"sat", "sun"})

    @for_each("time, is_open", [("08:59", False), ("09:00", True), ("17:59", True), ("18:00", False)])
    def test_the_first_minute_is_in_and_the_last_is_not(self, time: str, *, is_open: bool) -> None:
        assert opens(parse("09:00-18:00"), "wed", time) is is_open

    @for_each(
        "day, time, is_open",
        [("fri", "17:59", True), ("sat", "12:59", True), ("sat", "13:00", False), ("sun", "10:00", False)],
    )
    def test_saturday_has_hours_of_its_own(self, day: str, time: str, *, is_open: bool) -> None:
        assert opens(parse("mon-fri 09:00-18:00; sat 09:00-13:00"), day, time) is is_open

    @for_each("time, is_open", [("11:59", True), ("12:00", False), ("13:00", True)])
    def test_a_day_may_have_a_pause(self, time: str, *, is_open: bool) -> None:
        assert opens(parse("09:00-12:00; 13:00-18:00"), "tue", time) is is_open

    @for_each("day, is_open", [("sat", True), ("sun", True), ("mon", True), ("tue", False)])
    def test_days_may_pass_over_sunday(self, day: str, *, is_open: bool) -> None:
        assert opens(parse("sat-mon 10:00-11:00"), day, "10:30") is is_open

    def test_capitals_and_spaces_are_nothing(self) -> None:
        assert parse("  MON-Fri 09:00-18:00 ;sat 09:00-13:00") == parse(FORM)


class TestNights:
    """A night ends on the next day."""

    @for_each(
        "day, time, is_open",
        [
            ("fri", "19:59", False),
            ("fri", "23:59", True),
            ("sat", "01:59", True),
            ("sat", "02:00", False),
            ("sun", "01:59", True),
            ("sun", "20:00", False),
            ("fri", "01:00", False),
        ],
    )
    def test_ends_on_the_next_day(self, day: str, time: str, *, is_open: bool) -> None:
        assert opens(parse("fri-sat 20:00-02:00"), day, time) is is_open

    @for_each("day, is_open", [("mon", True), ("sun", False)])
    def test_the_night_after_sunday_is_mondays(self, day: str, *, is_open: bool) -> None:
        assert opens(parse("sun 22:00-06:00"), day, "05:59") is is_open

    @for_each("end", ["00:00", "24:00"])
    def test_midnight_may_be_written_either_way(self, end: str) -> None:
        hours = parse(f"mon 20:00-{end}")

        assert opens(hours, "mon", "23:59")
        assert not opens(hours, "tue", "00:00")
        # Alertmanager refuses an interval without a minute.
        assert hours.spans == (OpenSpan(day=0, start=1200, end=DAY_MINUTES),)

    @for_each("day, time", [("mon", "00:00"), ("mon", "23:59"), ("sun", "12:00")])
    def test_round_the_clock(self, day: str, time: str) -> None:
        assert opens(parse("mon-sun 00:00-24:00"), day, time)


class TestHolidays:
    """Days without business hours."""

    def test_is_closed_on_them_alone(self) -> None:
        hours = parse("09:00-18:00", "2026-12-01, 2026-12-25,")

        assert not opens(hours, "tue", "12:00")
        assert opens(hours, "wed", "12:00")

    def test_the_night_that_began_the_day_before_ends_at_midnight(self) -> None:
        hours = parse("mon 20:00-02:00", "2026-12-01")

        assert opens(hours, "mon", "23:59")
        assert not opens(hours, "tue", "00:30")

    def test_is_the_day_of_the_businesss_own_zone(self) -> None:
        # In Manaus it is still the first of December, in Lisbon the second.
        at = datetime(2026, 12, 1, 23, 0, tzinfo=ZoneInfo("America/Manaus")).timestamp()

        assert not parse("mon-sun 00:00-24:00", "2026-12-01", "America/Manaus").is_open(at)
        assert parse("mon-sun 00:00-24:00", "2026-12-01", "Europe/Lisbon").is_open(at)


class TestZones:
    """The clock on the wall, through summer and winter."""

    @for_each("month, utc_hour", [(1, 9), (7, 8)])
    def test_opens_by_the_wall_clock_in_winter_and_in_summer(self, month: int, utc_hour: int) -> None:
        # Lisbon: UTC in winter, an hour ahead in summer. Both days are Wednesdays.
        day = {1: 14, 7: 15}[month]
        at = datetime(2026, month, day, utc_hour, tzinfo=ZoneInfo("UTC")).timestamp()
        hours = parse("09:00-18:00", zone="Europe/Lisbon")

        assert hours.is_open(at)
        assert not hours.is_open(at - 60)

    def test_the_hour_that_comes_twice_is_open_twice(self) -> None:
        # On Sunday 25 October 2026 Lisbon's 01:00 to 02:00 comes twice.
        hours = parse("sun 01:00-02:00", zone="Europe/Lisbon")
        first = datetime(2026, 10, 25, 0, 0, tzinfo=ZoneInfo("UTC")).timestamp()

        assert [hours.is_open(first + 60 * minute) for minute in (-1, 0, 59, 60, 119, 120)] == [
            False, True, True, True, True, False,
        ]  # fmt: skip

    def test_the_hour_that_is_left_out_is_never_open(self) -> None:
        # On Sunday 29 March 2026 Lisbon goes from 00:59 to 02:00.
        hours = parse("sun 01:00-02:00", zone="Europe/Lisbon")
        midnight = datetime(2026, 3, 29, 0, 0, tzinfo=ZoneInfo("UTC")).timestamp()

        assert not any(hours.is_open(midnight + 60 * minute) for minute in range(180))


class TestWrong:
    """An error names the wrong value and the right form."""

    @for_each(
        "hours",
        [
            *("", "9-18", "09:00", "09:00-25:00", "24:30-25:00", "09:60-10:00", "seg-sex 09:00-18:00"),
            *("mon-fry 09:00-18:00", "mon,tue 09:00-18:00", "09:00-18:00;", "mon fri 09:00-18:00", "9:00-18:00"),
            *("fry-mon 09:00-18:00", "09:00-18:00 BRT", "from 09:00-18:00"),
        ],
    )
    def test_hours_in_another_form(self, hours: str) -> None:
        with pytest.raises(ValueError, match="BUSINESS_HOURS must be like") as raised:
            parse(hours)

        assert str(raised.value) == f"BUSINESS_HOURS must be like {FORM!r}, got {hours!r}."

    @for_each("hours", ["09:00-09:00", "24:00-02:00", "09:00-12:00; sat 10:00-10:00"])
    def test_a_span_without_a_minute(self, hours: str) -> None:
        with pytest.raises(ValueError, match="must not begin and end at once") as raised:
            parse(hours)

        assert str(raised.value) == f"BUSINESS_HOURS must not begin and end at once, got {hours!r}."

    @for_each("zone", ["", "Brasilia", "America", "../etc/passwd", "UTC-3"])
    def test_a_zone_that_is_none(self, zone: str) -> None:
        with pytest.raises(ValueError, match="TIMEZONE must be like America/Sao_Paulo") as raised:
            parse("09:00-18:00", zone=zone)

        assert str(raised.value) == f"TIMEZONE must be like America/Sao_Paulo, got {zone!r}."

    @for_each("holidays", ["25/12/2026", "2026-02-30", "2026-12-25;2027-01-01", "christmas"])
    def test_a_holiday_that_is_no_day(self, holidays: str) -> None:
        with pytest.raises(ValueError, match="HOLIDAYS must be days like") as raised:
            parse("09:00-18:00", holidays)

        assert str(raised.value) == f"HOLIDAYS must be days like 2026-12-25, by commas, got {holidays!r}."


@for_each("minutes, text", [(0, "00:00"), (545, "09:05"), (1440, "24:00")])
def test_minutes_as_a_time_of_day(minutes: int, text: str) -> None:
    assert clock(minutes) == text
