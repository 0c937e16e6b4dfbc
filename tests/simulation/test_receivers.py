"""The local Slack and mail server, spoken to by real clients."""

from __future__ import annotations

import json
import smtplib
import socket
import urllib.request
from email.message import EmailMessage
from typing import TYPE_CHECKING

from whatsself_otel.simulation.receivers import Told, receiving
from whatsself_otel.stack.alerting import AlertingConfig

if TYPE_CHECKING:
    from pathlib import Path


def post(url: str, body: object) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=5) as answer:
        assert answer.status == 200


def test_slack_messages_are_kept() -> None:
    with receiving() as receivers:
        post(f"http://127.0.0.1:{receivers.slack_port}/slack", {"attachments": [{"title": "[OK] A", "text": "é"}]})

        (told,) = receivers.told
    assert (told.by, told.title, told.text, told.is_over) == ("slack", "[OK] A", "é", True)


def test_mails_are_kept_with_dots_and_accents() -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "[CRITICAL x1] A", "a@example.org", "b@example.org"
    message.set_content(".a line that begins with a dot\nnão\n")
    with receiving() as receivers:
        with smtplib.SMTP("127.0.0.1", receivers.smtp_port, timeout=5) as client:
            client.send_message(message)

        (told,) = receivers.told
    assert told == Told(at=told.at, by="email", title="[CRITICAL x1] A", text=".a line that begins with a dot\nnão\n")


def test_who_hangs_up_in_the_middle_of_a_mail_has_sent_none() -> None:
    with receiving() as receivers:
        with socket.create_connection(("127.0.0.1", receivers.smtp_port), timeout=5) as client:
            client.sendall(b"DATA\r\nSubject: half\r\n")
        with smtplib.SMTP("127.0.0.1", receivers.smtp_port, timeout=5) as client_after:
            assert client_after.noop()[0] == 250

        assert receivers.told == []


def test_heartbeats_are_counted_and_no_message() -> None:
    with receiving() as receivers:
        post(f"http://127.0.0.1:{receivers.slack_port}/heartbeat", {})

        assert (receivers.heartbeats, receivers.told) == (1, [])


def test_its_variables_are_a_whole_configuration(tmp_path: Path) -> None:
    with receiving() as receivers:
        assert list(AlertingConfig.from_environment(receivers.environment(tmp_path)).problems()) == []
