"""Each provider's webhooks become the events that their documentation says, and hold nothing personal."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from provider_fixtures import ALL, PROVIDERS, Fixture, fixture, load, short
from rows import for_each

from whatsself_otel.testing import find_pii
from whatsself_otel.whatsapp import ContactIdentityChanged, DeliveryStatus, Event, MessageReceived, WebhookUnknown
from whatsself_otel.whatsapp.addresses import Addresses
from whatsself_otel.whatsapp.detect import ADAPTERS, NAMES, detect_provider

PERSONAL = re.compile(
    r"5511900000\d{3}|inventad|fulana|beltrano|chave|2@qr|wamid[.]|@s\.whatsapp|@c\.us", re.IGNORECASE
)
"""What every fixture's personal data looks like; names of templates are none, and are left out below."""


def events_of(payload: dict[str, Any], provider: str | None = None, addresses: Addresses | None = None) -> list[Event]:
    found = provider or detect_provider(payload)
    assert found is not None
    return list(ADAPTERS[found](payload, addresses or Addresses()))


@for_each("found", ALL, ids=lambda found: f"{found.provider}-{found.name}")
def test_a_payload_becomes_the_events_its_documentation_says(found: Fixture) -> None:
    assert [short(event) for event in events_of(found.payload, found.provider)] == found.expect


def test_there_are_at_least_180_payloads_each_with_source_and_date() -> None:
    assert len(ALL) >= 180
    assert all(found.source.startswith("https://") and found.date == "2026-11-30" for found in ALL)


def test_the_provider_is_seen_from_the_payload_alone() -> None:
    assert {(found.name, detect_provider(found.payload)) for found in ALL} == {
        (found.name, found.provider) for found in ALL if found.name != "event_of_tomorrow"
    } | {("event_of_tomorrow", "evolution"), ("event_of_tomorrow", "waha")}


@for_each("stranger", [None, [], "text", 7, {}, {"event": "x"}, {"hello": 1}, {"event": {"a": 1}}])
def test_a_stranger_has_no_provider(stranger: Any) -> None:
    assert detect_provider(stranger) is None


@for_each("provider", PROVIDERS)
def test_every_name_of_a_known_event_has_a_payload(provider: str) -> None:
    seen = {event.name for found in load(provider) for event in events_of(found.payload, provider)}
    assert NAMES[provider] - seen <= {
        *("template_correct_category_detection", "message_echoes", "automatic_events", "tracking_events"),
        *("user_id_update", "business_username_updates", "messaging-history.set", "instance.delete"),
    }
    assert all(event.name in NAMES[provider] for event in _known_events(provider))


def _known_events(provider: str) -> list[Event]:
    found = [event for each in load(provider) for event in events_of(each.payload, provider)]
    return [event for event in found if not isinstance(event, WebhookUnknown)]


class TestPrivacy:
    def test_no_event_holds_a_phone_a_text_or_an_address(self) -> None:
        for found in ALL:
            for event in events_of(found.payload, found.provider):
                # Meta's ids of numbers and accounts are digits and nobody's; an operator names them by `sessions`.
                shown = {**dataclasses.asdict(event), "session": None, "account": None}
                shown.pop("template", None)
                shown.pop("account", None)  # the business's own number of an account, which is an id
                assert not PERSONAL.search(repr(shown)), found.name
                assert find_pii(json.dumps(list(shown.values()))) == [], found.name

    def test_a_reference_of_a_message_is_short_stable_and_says_nothing(self) -> None:
        (first,) = events_of(fixture("cloud_api", "message_text"))
        (again,) = events_of(fixture("cloud_api", "message_text"))
        assert first.message_ref == again.message_ref
        assert re.fullmatch(r"wamid:[0-9a-f]{24}", first.message_ref or "")


class TestContacts:
    def test_all_spellings_of_one_phone_are_one_contact(self) -> None:
        addresses = Addresses()
        spelled = ["5511900000001", "+5511900000001", "5511900000001@s.whatsapp.net", "5511900000001:12@s.whatsapp.net"]
        assert len({addresses.contact(each) for each in [*spelled, "5511900000001@c.us"]}) == 1

    def test_a_lid_whose_phone_becomes_known_is_the_same_contact_from_then_on(self) -> None:
        addresses = Addresses()
        lid = fixture("evolution", "upsert_lid_with_phone")
        before = fixture("evolution", "upsert_lid")
        before["data"]["key"]["remoteJid"] = lid["data"]["key"]["remoteJid"]
        (old,) = events_of(before, addresses=addresses)
        change, message = events_of(lid, addresses=addresses)
        assert isinstance(change, ContactIdentityChanged)
        assert (change.contact_ref, change.new_contact_ref) == (old.contact_ref, message.contact_ref)
        (after,) = events_of(before, addresses=addresses)
        assert after.contact_ref == message.contact_ref != old.contact_ref

    def test_contacts_of_two_processes_cannot_be_joined_without_a_key(self) -> None:
        (event,) = events_of(fixture("cloud_api", "message_text"))
        assert re.fullmatch(r"c_[a-z]{24}", event.contact_ref or "")


class TestFacts:
    def test_times_are_the_providers_own(self) -> None:
        (event,) = events_of(fixture("cloud_api", "message_text"))
        assert event.at == 1795990001
        (event,) = events_of(fixture("waha", "session_working"))
        assert event.at == 1795990000
        (event,) = events_of(fixture("baileys", "upsert_long_timestamp"))
        assert event.at == 1795990000

    def test_evolutions_local_time_is_not_taken_for_utc(self) -> None:
        (event,) = events_of(fixture("evolution", "connection_open_200"))
        assert event.at is None

    @for_each(
        "provider, name, session",
        [
            ("cloud_api", "message_text", "100000000000111"),
            ("evolution", "upsert_text", "loja-centro"),
            ("waha", "message_webjs", "default"),
            ("baileys", "upsert_text", "loja-norte"),
        ],
    )
    def test_a_session_is_named_as_the_provider_names_it(self, provider: str, name: str, session: str) -> None:
        (event,) = events_of(fixture(provider, name))
        assert event.session == session

    @for_each(
        "name, chat", [("upsert_text", "person"), ("upsert_group", "group"), ("upsert_status_story", "broadcast")]
    )
    def test_chats_are_told_apart(self, name: str, chat: str) -> None:
        (event,) = events_of(fixture("evolution", name))
        assert event.chat == chat

    def test_one_message_told_twice_has_one_event_id(self) -> None:
        (sent,) = events_of(fixture("evolution", "send_message"))
        (upserted,) = events_of(fixture("evolution", "upsert_from_me_api"))
        assert sent.event_id == upserted.event_id is not None

    def test_two_sessions_in_one_group_receive_two_messages(self) -> None:
        one, other = fixture("waha", "message_group"), fixture("waha", "message_group")
        other["session"] = "second"
        assert events_of(one)[0].event_id != events_of(other)[0].event_id

    def test_each_status_of_a_message_is_an_event_of_its_own(self) -> None:
        delivered, read = events_of(fixture("cloud_api", "statuses_two_in_one"))
        assert delivered.event_id != read.event_id
        assert delivered.message_ref == read.message_ref

    def test_what_is_billed_is_told(self) -> None:
        (event,) = events_of(fixture("cloud_api", "status_sent_authentication_international"))
        assert isinstance(event, DeliveryStatus)
        assert (event.billable, event.category) == (True, "authentication")

    def test_the_name_of_an_unknown_event_must_look_like_one(self) -> None:
        payload = fixture("evolution", "event_of_tomorrow")
        assert events_of(payload)[0].name == "dreams.update"
        payload["event"] = "Meu segredo +5511900000001"
        assert events_of(payload)[0].name == "unknown"

    def test_the_events_context_binds_its_references(self) -> None:
        from whatsself_otel import current_attributes

        (event,) = events_of(fixture("cloud_api", "message_text"))
        with event.message_context:
            assert dict(current_attributes()) == {
                "contactId": event.contact_ref,
                "messageId": event.message_ref,
                "session": "100000000000111",
            }

    def test_a_number_without_country_keeps_the_contact_of_its_jid(self) -> None:
        (event,) = events_of(fixture("cloud_api", "message_text"))
        assert isinstance(event, MessageReceived)
        assert event.chat == "person"
