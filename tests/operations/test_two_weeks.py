"""A week of a small business and one of a large: each message that people would have got is right, none is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from binaries import need
from large_week import large_week
from small_week import LOST, SLACK_AWAY, small_week
from week_page import write
from week_player import fired
from week_told import Incident, Line, Notice, Player, problems
from weeks import Span, Week, at

if TYPE_CHECKING:
    from pathlib import Path

SLACK, EMAIL = ("slack",), ("email",)


def line(title: str, day: str, begin: str, end: str, by: tuple[str, ...] = (*EMAIL, *SLACK)) -> Line:
    """Return a message that comes on that day, between two times of it."""
    return Line(title=title, at=(at(day, begin), at(day, end)), by=by)


def page(alert: str, where: str, told: tuple[str, str, str], over: tuple[str, str, str]) -> tuple[Line, Line]:
    """Return one notification by e-mail and Slack, and its end, each with its day and its time window."""
    title = f"WhatsSelf{alert}{where and f' ({where})'}"
    return line(f"[CRITICAL] {title}", *told), line(f"[OK] {title}", *over)


PRODUCTION: Final = "whatsself, production"

SMALL: Final = (
    Incident(what="three deployments, a minute each"),
    Incident(
        what="the breaker opens after hours and stays open for 70 minutes",
        lines=page("BreakerStuck", PRODUCTION, ("Tue", "19:40", "19:58"), ("Tue", "20:08", "20:28")),
        why="past its longest cool-down; that it opened was a warning, over before the business opened",
    ),
    Incident(
        what="the second session is lost from 14:20 to 15:35, with two messages in its queue",
        lines=page("SessionDown", f"{PRODUCTION}, second", ("Wed", "14:22", "14:38"), ("Wed", "15:34", "15:54")),
        why="its queue says nothing new; the other session's alerts stay loud",
    ),
    Incident(
        what="a deployment answers half of the webhooks with 500, from 10:40 to 11:15",
        lines=(
            line(f"[CRITICAL] WhatsSelfHttpErrorsHigh ({PRODUCTION})", "Thu", "10:50", "11:08", EMAIL),
            line(f"[OK] WhatsSelfHttpErrorsHigh ({PRODUCTION})", "Thu", "11:36", "11:56", EMAIL),
            line(
                f"[WARNING] WhatsSelfSloBudgetExhausted api-availability ({PRODUCTION})", "Thu", "12:24", "12:46", SLACK
            ),
        ),
        why="Slack refuses; they cost more than a month allows: a warning, 45 minutes after their end, that stays",
    ),
    Incident(
        what="Slack refuses from 10:20 to 12:30",
        lines=(
            line("[CRITICAL] WhatsSelfAlertsNotDelivered", "Thu", "10:46", "11:02", EMAIL),
            line("[CRITICAL] WhatsSelfAlertsNotDelivered", "Thu", "12:29", "12:44", SLACK),
            line("[OK] WhatsSelfAlertsNotDelivered", "Thu", "12:36", "12:56"),
        ),
        why="e-mail tells of Slack; Slack hears of it when it is back",
    ),
    Incident(
        what="the collector is away from 22:00 to 23:10",
        lines=page("CollectorDown", "", ("Fri", "22:00", "22:18"), ("Fri", "23:08", "23:26")),
        why="the silence of the application is explained, and costs no objective",
    ),
    Incident(what="the main session is lost for a minute"),
    Incident(what="the second session hears nothing on Saturday evening", why="a warning, over before Monday"),
)


LARGE: Final = (
    Incident(what="two deployments, one worker a minute"),
    Incident(
        what="a worker runs out of memory at 03:10 and is started again at 04:00",
        lines=page("SessionMissing", f"{PRODUCTION}, n7", ("Tue", "03:12", "03:30"), ("Tue", "03:58", "04:16")),
        why="its session is nobody's; that a worker is missing was a warning, over before the business opened",
    ),
    Incident(
        what="an eighth of the requests fails from 10:00 to 10:40",
        lines=page("HttpErrorsHigh", PRODUCTION, ("Wed", "10:05", "10:22"), ("Wed", "10:58", "11:24")),
        why="the objective that the errors cost is no second message",
    ),
    Incident(what="a broadcast of 2,500 messages as fast as is allowed, for seven hours"),
    Incident(
        what="staging is away from 14:00 to 16:00",
        lines=(
            line("[CRITICAL] WhatsSelfTelemetryAbsent (whatsself, staging)", "Thu", "14:02", "14:22", SLACK),
            line("[OK] WhatsSelfTelemetryAbsent (whatsself, staging)", "Thu", "15:58", "16:16", SLACK),
        ),
        why="staging never pages: Slack alone, in business hours",
    ),
    Incident(
        what="two of ten workers are taken away on purpose, which no setting says",
        lines=(line(f"[WARNING] WhatsSelfWorkerVanished ({PRODUCTION})", "Fri", "09:32", "09:52", SLACK),),
        why="nobody can know: a warning, for a day; its end is told on Monday",
    ),
    Incident(
        what="three of five sends of one session fail from 15:00 to 15:30",
        lines=(
            *page("SendFailureHigh", f"{PRODUCTION}, n3", ("Fri", "15:02", "15:20"), ("Fri", "15:38", "16:06")),
            line(
                f"[WARNING] WhatsSelfSloBudgetExhausted send-success ({PRODUCTION}, n3)", "Fri", "15:38", "16:06", SLACK
            ),
        ),
        why="they cost more than a day allows: a warning once they are over, that stays",
    ),
    Incident(what="staging is away on Friday night", why="over before the business opened"),
    Incident(
        what="a number is banned from Saturday 12:00 to Sunday 12:00",
        lines=page("SessionBanned", f"{PRODUCTION}, n5", ("Sat", "11:59", "12:16"), ("Sun", "11:58", "12:16")),
        why="the strongest word about the session is enough; it is said again each hour",
    ),
    Incident(
        what="WhatsApp itself is away from 16:00 to 16:25: all ten sessions are lost",
        lines=page("SessionDown", PRODUCTION, ("Sun", "16:02", "16:18"), ("Sun", "16:24", "16:54")),
        why="ten sessions, one message",
    ),
)


class TestProblems:
    """Differences that the comparison reports."""

    INCIDENT = Incident(
        what="lost", lines=page("SessionDown", PRODUCTION, ("Mon", "10:00", "10:10"), ("Mon", "11:00", "11:10"))
    )

    def told(self) -> list[Notice]:
        """Return all that the incident asks for."""
        lines = self.INCIDENT.lines
        return [Notice(minute=line.at[0] + 1, by=by, title=line.title) for line in lines for by in line.by]

    def test_nothing_is_wrong(self) -> None:
        assert list(problems([self.INCIDENT], self.told())) == []

    def test_one_is_missing(self) -> None:
        assert list(problems([self.INCIDENT], self.told()[:-1])) == [
            f"missing: slack [OK] WhatsSelfSessionDown ({PRODUCTION}), from Mon 11:00 to Mon 11:10"
        ]

    def test_one_is_too_much_and_a_reminder_is_not(self) -> None:
        again = Notice(minute=at("Mon", "10:30"), by="slack", title=self.told()[0].title)
        late = Notice(minute=at("Mon", "12:00"), by="slack", title=self.told()[0].title)

        assert list(problems([self.INCIDENT], [*self.told(), again, late])) == [
            f"too much: Mon 12:00 slack [CRITICAL] WhatsSelfSessionDown ({PRODUCTION})"
        ]

    def test_an_incident_that_pages_twice(self) -> None:
        lines = page("QueueStuck", PRODUCTION, ("Mon", "10:00", "10:10"), ("Mon", "11:00", "11:10"))
        both = Incident(what="both", lines=(*self.INCIDENT.lines, *lines))

        assert [each.partition(":")[0] for each in problems([both], self.told())][-1] == "more than one page"


@pytest.mark.e2e
@pytest.mark.backend
def test_an_afternoon_with_a_lost_session_is_one_page_and_its_end(tmp_path: Path) -> None:
    """The short form: Wednesday from 13:00 to 17:00."""
    during = Span(begin=at("Wed", "13:00"), end=at("Wed", "17:00"))
    told = play(small_week(during.end, during.begin), tmp_path, refused=Span(begin=0, end=0))
    lost = [incident for incident in SMALL if any(LOST.begin <= each.at[0] <= LOST.end for each in incident.lines)]

    assert list(problems(lost, told)) == []
    assert sum(each.begins for each in told) >= len(EMAIL + SLACK)


@pytest.mark.proof
@pytest.mark.backend
class TestTwoWeeks:
    """This takes 15 and 27 minutes on a busy machine. It writes the page from the notifications."""

    def test_a_small_business(self, tmp_path: Path) -> None:
        told = play(small_week(), tmp_path, refused=SLACK_AWAY)
        write("A small business", SMALL, told)

        assert list(problems(SMALL, told)) == []

    def test_a_large_business(self, tmp_path: Path) -> None:
        told = play(large_week(), tmp_path, refused=Span(begin=0, end=0))
        write("A large business", LARGE, told)

        assert list(problems(LARGE, told)) == []


def play(week: Week, folder: Path, *, refused: Span) -> list[Notice]:
    """Return the notifications of *week*."""
    need("alertmanager")
    return Player(folder).play(fired(week, folder), Span(begin=week.begin, end=week.minutes), refused)
