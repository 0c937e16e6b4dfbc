"""``whatsself-otel replay``: the metrics of a stored webhook, the facts without a place, and nothing personal."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from provider_fixtures import ALL, FOLDER, fixture
from whatsapp_bench import message, phone, status

from whatsself_otel.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def play(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(payload: Any, *options: str) -> tuple[int, str]:
        file = tmp_path / "webhook.json"
        file.write_text(payload if isinstance(payload, str) else json.dumps(payload), encoding="utf-8")
        code = main(["replay", *options, str(file)])
        return code, capsys.readouterr().out

    return run


def test_says_what_moves_and_what_has_no_place(play: Any) -> None:
    code, shown = play(message(1))
    assert code == 0
    assert "webhook 1: cloud_api" in shown
    assert "event=message_received webhook=messages content=text" in shown
    assert 'moves messages_inbound_total{kind="text",session="100000000000111"} by 1' in shown
    assert "no place: entry.[].changes.[].value.messages.[].text.body" in shown


def test_plays_a_list_in_order(play: Any) -> None:
    code, shown = play([status(1, "sent"), status(1, "failed", code=131026), status(1, "failed", code=131026)])
    assert code == 0
    assert shown.count('moves messages_outbound_failed_total{fault="recipient",reason="undeliverable"') == 1
    assert "repeat=True" in shown


def test_reads_one_webhook_a_line(play: Any) -> None:
    lines = "\n".join(json.dumps(message(number)) for number in range(3))
    code, shown = play(f"{lines}\n{{cut", "--json")
    told = [json.loads(line) for line in shown.splitlines()]
    assert [each["provider"] for each in told] == ["cloud_api"] * 3 + [None]
    assert told[0]["events"] == [
        {"event": "message_received", "webhook": "messages", "content": "text", "author": "contact", "chat": "person"}
    ]
    assert code == 1


@pytest.mark.parametrize(
    "unknown",
    [{"hello": 1}, fixture("evolution", "event_of_tomorrow"), fixture("cloud_api", "status_failed_999999")],
)
def test_tells_by_its_status_that_something_is_unknown(play: Any, unknown: Any) -> None:
    assert play(unknown)[0] == 1


def test_shows_no_value_of_any_payload(play: Any) -> None:
    _, shown = play([found.payload for found in ALL], "--json")
    assert len(shown.splitlines()) == len(ALL)
    for personal in (*(phone(number) for number in range(10)), phone(999), "inventad", "Fulana", "wamid", "2@qr"):
        assert personal.lower() not in shown.lower().replace("pedido_confirmado", "")


def test_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(message(1))))
    assert main(["replay", "-"]) == 0
    assert "cloud_api" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "/nowhere.json"]) == 2
    assert "cannot read /nowhere.json" in capsys.readouterr().err


def test_the_fixtures_themselves_are_a_file_of_no_provider(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(FOLDER / "waha.json")]) == 1
    assert "of no provider" in capsys.readouterr().out
