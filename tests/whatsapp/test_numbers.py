"""What providers tell late, twice, out of order or in their own words moves each metric by what really happened."""

from __future__ import annotations

import pytest
from provider_fixtures import fixture
from whatsapp_bench import T0, Bench, as_bytes, connection, graph_answer, message, phone, status

from whatsself_otel.whatsapp import MessageReceived


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestFailuresAfterAcceptance:
    def test_a_hundred_accepted_of_which_thirty_fail_later_are_thirty_percent(self, bench: Bench) -> None:
        for number in range(100):
            bench.whatsapp.observe_send(graph_answer(number, who=number))
        for number in range(30):
            bench.observe(status(number, "failed", who=number, code=131026))
        for number in range(30, 100):
            bench.observe(status(number, "delivered", who=number))
        assert bench.total("messages.outbound") == 100
        assert bench.total("messages.outbound.failed") == 30
        why = {"stage": "delivery", "fault": "recipient", "reason": "undeliverable"}
        assert bench.total("messages.outbound.failed", **why) == 30
        assert bench.total("delivery.success_ratio") == 0.7
        assert bench.total("cb.fail_rate.window") == 0.3

    def test_a_refusal_is_an_attempt_too(self, bench: Bench) -> None:
        error = {"error": {"message": "x", "type": "OAuthException", "code": 131047}}
        event = bench.whatsapp.observe_send(error, contact_id="contact-1")
        assert event is not None
        assert (event.kind, event.error_type) == ("message_rejected", "131047")
        assert bench.total("messages.outbound") == 1
        assert bench.total("messages.outbound.failed", stage="send", reason="outside_window", fault="ours") == 1

    def test_ratios_stay_between_nothing_and_all_though_failures_come_in_later_windows(self, bench: Bench) -> None:
        bench.whatsapp.observe_send(graph_answer(1))
        bench.now_s += 86_400
        for _ in range(3):
            bench.metrics.message_failed(reason="undeliverable", stage="delivery")
        bench.metrics.message_sent()
        assert bench.total("delivery.success_ratio") == 0
        assert bench.total("cb.fail_rate.window") == 1

    def test_a_failure_after_the_message_was_read_counts_nothing(self, bench: Bench) -> None:
        bench.whatsapp.observe_send(graph_answer(1))
        bench.observe(status(1, "read"))
        bench.observe(status(1, "failed", code=131000))
        assert bench.total("messages.outbound.failed") == 0
        assert bench.total("messages.delivered") == 1

    def test_a_failure_is_counted_once_however_often_it_is_told(self, bench: Bench) -> None:
        bench.whatsapp.observe_send(graph_answer(1))
        for _ in range(3):
            bench.observe(status(1, "failed", code=131000))
        assert bench.total("messages.outbound.failed") == 1
        assert bench.total("webhook.duplicates", provider="cloud_api") == 2


class TestFirstResponse:
    def test_is_recorded_when_the_reply_is_acknowledged(self, bench: Bench) -> None:
        bench.observe(message(1))
        bench.now_s += 20
        bench.whatsapp.observe_send(graph_answer(2))
        assert bench.histogram("first_response.latency") == (0, 0)
        bench.now_s += 5
        bench.observe(status(2, "sent", at=bench.now_s))
        assert bench.histogram("first_response.latency") == (1, 20)

    def test_is_recorded_after_a_minute_without_a_failure(self, bench: Bench) -> None:
        bench.observe(message(1))
        bench.now_s += 20
        bench.whatsapp.observe_send(graph_answer(2))
        bench.now_s += 59
        assert bench.histogram("first_response.latency") == (0, 0)
        bench.now_s += 1
        assert bench.histogram("first_response.latency") == (1, 20)
        assert bench.total("first_response.unanswered") == 0

    def test_a_reply_that_fails_before_leaves_the_wait_open(self, bench: Bench) -> None:
        bench.observe(message(1))
        bench.now_s += 20
        bench.whatsapp.observe_send(graph_answer(2))
        bench.observe(status(2, "failed", at=bench.now_s, code=131026))
        bench.now_s += 101
        assert bench.histogram("first_response.latency") == (0, 0)
        assert bench.total("first_response.unanswered") == 1
        bench.whatsapp.observe_send(graph_answer(3))
        bench.observe(status(3, "delivered", at=bench.now_s))
        assert bench.histogram("first_response.latency") == (1, 121)
        assert bench.total("first_response.failed") == 0

    def test_a_reply_that_fails_afterwards_is_counted_to_be_subtracted(self, bench: Bench) -> None:
        bench.observe(message(1))
        bench.whatsapp.observe_send(graph_answer(2))
        bench.observe(status(2, "sent"))
        bench.observe(status(2, "failed", code=131049))
        assert bench.histogram("first_response.latency")[0] == 1
        assert bench.total("first_response.failed") == 1

    def test_the_wait_of_a_contact_who_wrote_three_hours_ago_is_three_hours(self, bench: Bench) -> None:
        bench.observe(message(1, at=T0 - 10_800))
        bench.whatsapp.observe_send(graph_answer(2))
        bench.observe(status(2, "sent"))
        assert bench.histogram("first_response.latency") == (1, 10_800)
        assert bench.total("first_response.unanswered") == 1

    def test_a_message_that_is_told_after_its_answer_waits_for_nothing(self, bench: Bench) -> None:
        bench.whatsapp.observe_send(graph_answer(2))
        bench.observe(message(1, at=T0 - 30))
        bench.now_s += 1000
        assert bench.total("first_response.unanswered") == 0

    def test_an_answer_before_the_message_does_not_answer_it(self, bench: Bench) -> None:
        bench.observe(message(1))
        bench.whatsapp.observe_send(graph_answer(2), at=T0 - 60)
        bench.now_s += 121
        assert bench.total("first_response.unanswered") == 1

    def test_who_changes_number_goes_on_waiting(self, bench: Bench) -> None:
        bench.observe(message(1, who=5))
        bench.now_s += 30
        bench.observe(fixture("cloud_api", "message_system_number_changed"))
        bench.whatsapp.observe_send(graph_answer(2, who=6))
        bench.observe(status(2, "sent", who=6, at=bench.now_s))
        assert bench.histogram("first_response.latency") == (1, 30)

    def test_a_lid_whose_phone_becomes_known_goes_on_waiting(self, bench: Bench) -> None:
        lid = fixture("evolution", "upsert_lid")
        known = fixture("evolution", "upsert_lid_with_phone")
        lid["data"]["key"]["remoteJid"] = known["data"]["key"]["remoteJid"]
        lid["data"]["messageTimestamp"] = known["data"]["messageTimestamp"] = int(T0)
        bench.observe(lid)
        bench.now_s += 40
        bench.observe(known)
        bench.whatsapp.observe_send(graph_answer(2, who=5))
        bench.observe(status(2, "sent", who=5, at=bench.now_s))
        assert bench.histogram("first_response.latency") == (1, 40)


class TestRepeats:
    def test_a_webhook_that_is_posted_three_times_counts_once(self, bench: Bench) -> None:
        told = [event for _ in range(3) for event in bench.observe(message(1))]
        assert bench.total("messages.inbound") == 1
        assert [event.is_repeat for event in told] == [False, True, True]
        assert bench.total("webhook.events", provider="cloud_api", event="messages") == 3
        assert bench.total("webhook.duplicates", provider="cloud_api") == 2

    def test_a_message_told_under_two_names_is_one_and_no_duplicate(self, bench: Bench) -> None:
        payload = fixture("waha", "message_webjs")
        payload["payload"]["timestamp"] = int(T0)
        bench.observe(payload)
        bench.observe({**payload, "event": "message.any", "id": "evt_other"})
        assert bench.total("messages.inbound") == 1
        assert bench.total("webhook.duplicates") == 0

    def test_our_own_message_counts_once_by_answer_echo_and_status(self, bench: Bench) -> None:
        sent = fixture("evolution", "send_message")
        for payload in (sent, fixture("evolution", "upsert_from_me_api")):
            payload["data"]["messageTimestamp"] = int(T0)
        bench.whatsapp.observe_send(sent["data"])
        bench.observe(sent)
        bench.observe({**sent, "event": "messages.upsert"})
        bench.observe(fixture("evolution", "update_server_ack"))
        bench.metrics.message_sent(message_id=sent["data"]["key"]["id"])
        assert bench.total("messages.outbound") == 1

    def test_a_message_typed_on_the_phone_is_manual(self, bench: Bench) -> None:
        payload = fixture("evolution", "upsert_from_me_phone")
        payload["data"]["messageTimestamp"] = int(T0)
        bench.observe(payload)
        assert bench.total("messages.outbound", origin="manual", session="loja-centro") == 1

    def test_what_has_no_id_is_known_by_its_body(self, bench: Bench) -> None:
        lost = as_bytes(connection("close", 428))
        bench.observe(as_bytes(connection("open")))
        bench.observe(lost)
        bench.observe(as_bytes({**connection("open"), "date_time": "2026-11-30T00:00:09.000Z"}))
        bench.observe(lost)
        assert bench.total("whatsapp.session.disconnects") == 1
        assert bench.total("whatsapp.session.connected", session="loja-centro") == 1

    def test_the_window_forgets_the_oldest(self) -> None:
        bench = Bench(repeats_remembered=4)
        for number in range(4):
            bench.observe(message(number))
        bench.observe(message(0))
        assert bench.total("messages.inbound") == 5

    def test_verbs_know_their_events_too(self, bench: Bench) -> None:
        for _ in range(2):
            bench.metrics.message_inbound(event_id="1")
            bench.metrics.message_sent(event_id="2")
            bench.metrics.message_failed(event_id="3")
            bench.metrics.message_delivered(event_id="4")
            bench.metrics.consent(action="opt_in", event_id="5")
            bench.metrics.session_disconnected(session="s", event_id="6")
            bench.metrics.session_state(session="s", state="connected", event_id="7")
            bench.metrics.qr_issued(session="q", event_id="8")
        assert bench.total("messages.inbound") == 1
        assert bench.total("messages.outbound") == 2
        assert bench.total("messages.outbound.failed") == 1
        assert bench.total("messages.delivered") == 1
        assert bench.total("contact.consent") == 1
        assert bench.total("whatsapp.session.disconnects") == 1


class TestSessions:
    def test_a_loss_with_six_attempts_to_reconnect_is_one(self, bench: Bench) -> None:
        bench.observe(connection("open"))
        for _ in range(6):
            bench.now_s += 10
            bench.observe(connection("close", 408))
            bench.observe(connection("connecting"))
        bench.now_s += 5
        bench.observe(connection("open"))
        assert bench.total("whatsapp.session.disconnects", session="loja-centro", reason="transient") == 1
        assert bench.total("whatsapp.session.disconnects") == 1
        assert bench.histogram("whatsapp.session.recovery") == (1, 55)
        bench.observe(connection("close", 440))
        assert bench.total("whatsapp.session.disconnects") == 2

    def test_two_sessions_of_one_gateway_are_told_apart(self, bench: Bench) -> None:
        for session in ("a", "b"):
            bench.observe(connection("open", session=session))
        bench.observe(connection("close", 401, session="b"))
        assert bench.total("whatsapp.session.connected", session="a") == 1
        assert bench.total("whatsapp.session.state", session="b", state="logged_out") == 1
        assert bench.total("whatsapp.session.disconnects", session="b", reason="logged_out") == 1

    def test_a_report_that_is_older_than_the_last_one_changes_nothing(self, bench: Bench) -> None:
        for name, ago in (("session_working", 5), ("session_failed", 60)):
            payload = fixture("waha", name)
            payload["timestamp"] = int((T0 - ago) * 1000)
            payload["id"] = name
            bench.observe(payload)
        assert bench.total("whatsapp.session.connected", session="default") == 1
        assert bench.total("whatsapp.session.disconnects") == 0

    def test_a_session_of_which_nothing_was_told_is_connected_when_a_message_comes(self, bench: Bench) -> None:
        bench.observe(message(1))
        assert bench.total("whatsapp.session.connected", session="100000000000111") == 1

    def test_a_code_that_nobody_scans_waits_since_the_first_one(self, bench: Bench) -> None:
        for _ in range(180):
            bench.observe(fixture("evolution", "qrcode"))
            bench.now_s += 20
        assert bench.total("whatsapp.qr.issued_timestamp") == T0
        assert bench.total("whatsapp.session.connected") == 0

    def test_a_new_login_is_no_loss(self, bench: Bench) -> None:
        for name in ("connection_qr", "connection_close_515", "connection_open"):
            payload = fixture("baileys", name)
            payload["data"].get("lastDisconnect", {}).pop("date", None)
            bench.observe(payload)
        assert bench.total("whatsapp.session.disconnects") == 0
        assert bench.total("whatsapp.session.connected", session="loja-norte") == 1

    def test_a_code_of_a_session_that_was_connected_is_a_logout(self, bench: Bench) -> None:
        for name, seconds in (("session_working", 0), ("session_scan_qr_code", 1)):
            payload = fixture("waha", name)
            payload |= {"timestamp": int((T0 + seconds) * 1000), "id": name}
            bench.observe(payload)
        assert bench.total("whatsapp.session.disconnects", reason="logged_out") == 1
        assert bench.total("whatsapp.session.state", state="qr_pending") == 1

    def test_a_restricted_account_is_the_loss_of_its_numbers(self, bench: Bench) -> None:
        bench.observe(message(1))
        bench.observe(fixture("cloud_api", "account_restriction_messaging"))
        assert bench.total("whatsapp.session.state", session="100000000000111", state="restricted") == 1
        assert bench.total("whatsapp.session.disconnects", session="100000000000111", reason="banned") == 1
        bench.observe(fixture("cloud_api", "account_restriction_lifted"))
        assert bench.total("whatsapp.session.connected", session="100000000000111") == 1

    def test_a_session_that_was_removed_has_no_series_any_more(self, bench: Bench) -> None:
        bench.observe(connection("open"))
        bench.observe(fixture("evolution", "remove"))
        assert bench.total("whatsapp.session.state") == 0

    def test_names_of_sessions_can_be_given_and_phones_are_none(self) -> None:
        from whatsself_otel import WhatsAppConfig

        bench = Bench(WhatsAppConfig(sessions={"100000000000111": "loja"}))
        bench.observe(message(1))
        bench.observe(connection("open", session="5511900000009"))
        assert bench.total("messages.inbound", session="loja") == 1
        assert bench.total("whatsapp.session.connected", session="+55********0009") == 1


class TestWhatIsNoTraffic:
    def test_history_moves_nothing(self, bench: Bench) -> None:
        history = fixture("evolution", "messages_set")
        history["data"] = [
            {**history["data"][0], "key": {**history["data"][0]["key"], "id": f"H{n}"}} for n in range(10_000)
        ]
        assert len(bench.observe(history)) == 10_000
        assert bench.total("messages.inbound") == bench.total("webhook.lag") == 0

    def test_a_message_older_than_a_day_is_not_live(self, bench: Bench) -> None:
        bench.observe(message(1, at=T0 - 86_400))
        bench.observe(message(2, at=T0 - 86_300))
        assert bench.total("messages.inbound") == 1

    def test_edits_revocations_reactions_notices_and_votes_are_no_messages(self, bench: Bench) -> None:
        names = ("message_edit", "message_revoke", "message_reaction", "message_system_identity_changed")
        for name in names:
            bench.observe(fixture("cloud_api", name))
        for name in ("upsert_system_notice", "upsert_poll_vote", "upsert_reaction", "upsert_edit"):
            bench.observe(fixture("evolution", name))
        assert bench.total("messages.inbound") == 0

    def test_stories_and_channels_are_no_conversations(self, bench: Bench) -> None:
        for name in ("upsert_status_story", "upsert_channel", "upsert_group"):
            payload = fixture("evolution", name)
            payload["data"]["messageTimestamp"] = int(T0)
            bench.observe(payload)
        assert bench.total("messages.inbound") == 1
        bench.now_s += 1000
        assert bench.total("first_response.unanswered") == 0

    def test_a_message_to_a_group_of_two_hundred_is_delivered_once(self, bench: Bench) -> None:
        payload = fixture("evolution", "update_group")
        for number in range(200):
            payload["data"]["participant"] = f"{phone(number)}@s.whatsapp.net"
            bench.observe(payload)
        assert bench.total("messages.delivered", status="read") == 1
        assert bench.total("messages.outbound") == 1

    def test_a_message_to_a_group_answers_nobody_in_it(self, bench: Bench) -> None:
        bench.observe(message(1, who=3))
        bench.observe(fixture("evolution", "update_group"))
        bench.now_s += 121
        assert bench.total("first_response.unanswered") == 1

    def test_a_backlog_of_three_hours_inflates_no_rate(self, bench: Bench) -> None:
        for number in range(180):
            bench.observe(message(number, at=T0 - 10_800 + 60 * number))
            bench.observe(status(1000 + number, "sent", at=T0 - 10_800 + 60 * number))
        assert bench.total("messages.inbound") == 180
        assert bench.total("contact.inbound_max_5m") <= 5
        assert bench.total("rate.global_per_min") <= 2


class TestWhatProvidersTellBeside:
    def test_delivery_latency_is_from_acceptance(self, bench: Bench) -> None:
        bench.whatsapp.observe_send(graph_answer(1))
        bench.observe(status(1, "read", at=T0 + 9))
        bench.now_s += 10
        bench.observe(status(1, "delivered", at=T0 + 4))
        assert bench.total("message.delivery_latency", status="read") == 1
        assert bench.total("message.delivery_latency", status="delivered") == 1

    def test_a_status_of_a_message_that_was_not_seen_has_no_latency(self, bench: Bench) -> None:
        bench.observe(status(1, "delivered"))
        assert bench.total("messages.outbound") == 1
        assert bench.total("message.delivery_latency") == 0

    def test_statuses_count_no_sending_where_they_are_told_not_to(self) -> None:
        bench = Bench(sends_from_statuses=False)
        bench.observe(status(1, "delivered"))
        assert bench.total("messages.outbound") == 0

    def test_a_billed_message_is_billed_once(self, bench: Bench) -> None:
        for name in ("status_sent_marketing", "status_sent_authentication_international", "status_sent"):
            payload = fixture("cloud_api", name)
            payload["entry"][0]["changes"][0]["value"]["statuses"][0]["id"] = name
            bench.observe(payload)
            payload["entry"][0]["changes"][0]["value"]["statuses"][0]["status"] = "delivered"
            bench.observe(payload)
        assert bench.total("messages.billable", category="marketing") == 1
        assert bench.total("messages.billable", category="authentication") == 1
        assert bench.total("messages.billable") == 2

    def test_templates_quality_and_limits_are_states(self, bench: Bench) -> None:
        bench.observe(message(1))
        for name in ("template_approved", "template_paused", "number_quality_flagged", "business_capability"):
            bench.observe(fixture("cloud_api", name))
        template = "pedido_confirmado/pt_BR"
        assert bench.total("whatsapp.template.state", template=template, state="paused") == 1
        assert bench.total("whatsapp.template.state", template=template) == 1
        assert bench.total("whatsapp.quality_rating", session="100000000000111", rating="red") == 1
        assert bench.total("whatsapp.messaging_limit", session="100000000000111") == 2000

    def test_calls_consent_and_lag_are_counted(self, bench: Bench) -> None:
        bench.observe(fixture("cloud_api", "call_connect_user"))
        bench.observe(fixture("cloud_api", "call_terminate_completed"))
        bench.observe(fixture("cloud_api", "preferences_stop"))
        bench.observe(message(1, at=T0 - 7))
        assert bench.total("calls", direction="inbound", outcome="offered") == 1
        assert bench.total("calls", outcome="completed") == 1
        assert bench.total("contact.consent", action="opt_out") == 1
        assert bench.total("webhook.lag", provider="cloud_api") == 4

    def test_unknown_events_are_counted_by_twenty_names(self, bench: Bench) -> None:
        payload = fixture("evolution", "event_of_tomorrow")
        for letter in "abcdefghijklmnopqrstuvwxyz":
            bench.observe({**payload, "event": f"dream.{letter}"})
        assert bench.total("webhook.events", event="dream.a") == 1
        assert bench.total("webhook.events", event="other") == 6

    def test_one_payload_tells_two_things(self, bench: Bench) -> None:
        received, *_ = bench.observe(fixture("cloud_api", "messages_two_in_one"))
        assert isinstance(received, MessageReceived)
