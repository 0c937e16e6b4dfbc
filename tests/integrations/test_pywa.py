"""The real pywa reads the same webhooks, knows the same codes, and is observed by one call."""

from __future__ import annotations

import json
import time
from datetime import UTC
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from provider_fixtures import Fixture, load
from pywa import errors, handlers
from pywa.client import WhatsApp as PywaClient
from pywa.types.base_update import RawUpdate
from pywa_async.client import WhatsApp as AsyncPywaClient
from whatsapp_bench import as_bytes, graph_answer, message, phone, status

from whatsself_otel import ConfigError
from whatsself_otel.integrations import instrument_pywa
from whatsself_otel.testing import RecordedTelemetry, record_telemetry
from whatsself_otel.whatsapp import DeliveryStatus, Event
from whatsself_otel.whatsapp.addresses import Addresses
from whatsself_otel.whatsapp.cloud_api import parse
from whatsself_otel.whatsapp.error_codes import CLOUD_API
from whatsself_otel.whatsapp.references import message_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: dict[type, set[str]] = {
    handlers.MessageHandler: {"message_received", "reaction_changed", "provider_notice", "webhook_unknown"},
    handlers.MessageStatusHandler: {"delivery_status", "webhook_unknown"},
    handlers.GroupMessageStatusesHandler: {"delivery_status"},
    handlers.CallbackButtonHandler: {"message_received"},
    handlers.CallbackSelectionHandler: {"message_received"},
    handlers.FlowCompletionHandler: {"message_received"},
    handlers.PhoneNumberChangeHandler: {"contact_identity_changed"},
    handlers.IdentityChangeHandler: {"contact_identity_changed"},
    handlers.EditedMessageHandler: {"message_edited"},
    handlers.DeletedMessageHandler: {"message_revoked"},
    handlers.OutgoingMessageHandler: {"message_accepted"},
    handlers.OutgoingEditedMessageHandler: {"message_edited"},
    handlers.OutgoingDeletedMessageHandler: {"message_revoked"},
    handlers.CallPermissionUpdateHandler: {"provider_notice"},
    handlers.CallConnectHandler: {"call_event"},
    handlers.CallTerminateHandler: {"call_event"},
    handlers.CallStatusHandler: {"call_event", "provider_notice"},
    handlers.UserMarketingPreferencesHandler: {"consent_changed"},
    handlers.TemplateStatusUpdateHandler: {"template_status_changed", "webhook_unknown"},
    handlers.TemplateQualityUpdateHandler: {"quality_changed"},
    handlers.TemplateCategoryUpdateHandler: {"provider_notice"},
    handlers.TemplateComponentsUpdateHandler: {"provider_notice"},
    handlers.AccountUpdateHandler: {"account_restricted", "session_changed", "provider_notice"},
}
"""What pywa calls an update, and what we may call its event."""

UNPARSED = {"message_system_user_id_changed": "a change of user id, which pywa 4.5.0 does not know"}
"""Fixtures that pywa cannot parse, and why."""


def client() -> PywaClient:
    return PywaClient(phone_id="100000000000111", token="x", server=None, filter_updates=False)  # noqa: S106


def compare(found: Fixture, whatsapp: PywaClient) -> str | None:
    """Return what pywa calls the update; None if it has no handler for the field."""
    raw = RawUpdate(as_bytes(found.payload), hmac_header=None, update_hash="x")
    handler = whatsapp._get_handler_type(raw)
    if handler is None:
        return None
    update = whatsapp._handlers_to_updates[handler].from_update(client=whatsapp, update=raw)
    event = list(parse(found.payload, Addresses()))[-1]
    assert event.kind in KINDS[handler], found.name
    agree(update, event, found.name)
    return str(handler.__name__)


def agree(update: Any, event: Event, name: str) -> None:
    at, message_id = getattr(update, "timestamp", None), getattr(update, "id", None)
    if at is not None and event.at is not None:
        assert at.astimezone(UTC).timestamp() == event.at, name
    if event.message_ref is not None and isinstance(message_id, str) and message_id.startswith("wamid."):
        assert message_ref(message_id) == event.message_ref, name
    told = getattr(update, "status", None)
    if isinstance(event, DeliveryStatus) and told is not None and told.value != "UNKNOWN":
        assert update.status.value == event.status, name
        code = None if update.error is None else str(update.error.code)
        assert code == event.error_type, name


@pytest.mark.filterwarnings("ignore::pywa.errors.PywaWarning")
class TestAgreement:
    def test_on_kind_time_id_status_and_code_of_every_fixture_that_pywa_knows(self) -> None:
        whatsapp, seen = client(), []
        for found in load("cloud_api"):
            if len(found.expect) > 1:
                continue  # pywa takes one update a webhook
            if found.name in UNPARSED:
                with pytest.raises((KeyError, ValueError, TypeError, IndexError)):
                    compare(found, whatsapp)
                continue
            handler = compare(found, whatsapp)
            seen += [] if handler is None else [handler]
        assert len(seen) > 100
        assert set(seen) >= {kind.__name__ for kind in KINDS} - {"FlowCompletionHandler"}

    def test_every_code_that_pywa_knows_has_a_reason(self) -> None:
        codes = set(errors._all_exceptions())
        assert len(codes) > 200
        assert codes - set(CLOUD_API) == set()


def graph(request: httpx.Request) -> httpx.Response:
    body = json.loads(request.content)
    if body["to"] == phone(2):
        error = {"message": "(#131047) Re-engagement message", "type": "OAuthException", "code": 131047}
        return httpx.Response(400, json={"error": error})
    return httpx.Response(200, json=graph_answer(1))


@pytest.fixture
def recorded() -> Iterator[RecordedTelemetry]:
    with record_telemetry() as telemetry:
        yield telemetry


@pytest.mark.filterwarnings("ignore::pywa.errors.PywaWarning")
class TestInstrumented:
    def test_needs_telemetry(self) -> None:
        with pytest.raises(ConfigError, match="instrument_pywa"):
            instrument_pywa(client())

    def test_a_client_counts_what_it_sends_and_hears(self, recorded: RecordedTelemetry) -> None:
        session = httpx.Client(transport=httpx.MockTransport(graph))
        whatsapp = PywaClient(phone_id="100000000000111", token="x", session=session, filter_updates=False)  # noqa: S106
        instrument_pywa(whatsapp)
        instrument_pywa(whatsapp)
        assert whatsapp.webhook_update_handler(as_bytes(message(7, at=time.time()))) == ("ok", 200)
        whatsapp.send_message(to=phone(1), text="olá")
        with pytest.raises(errors.ReEngagementMessage):
            whatsapp.send_message(to=phone(2), text="olá")
        whatsapp.webhook_update_handler(as_bytes(status(1, "failed", code=131026, at=time.time())))
        assert recorded.counter("messages.inbound") == 1
        assert recorded.counter("messages.outbound", session="100000000000111") == 2
        assert recorded.counter("messages.outbound.failed", reason="outside_window", stage="send") == 1
        assert recorded.counter("messages.outbound.failed", reason="undeliverable", stage="delivery") == 1

    async def test_an_asynchronous_client_too(self, recorded: RecordedTelemetry) -> None:
        session = httpx.AsyncClient(transport=httpx.MockTransport(graph))
        whatsapp = AsyncPywaClient(phone_id="100000000000111", token="x", session=session, filter_updates=False)  # noqa: S106
        instrument_pywa(whatsapp, origin="broadcast")
        assert await whatsapp.webhook_update_handler(as_bytes(message(7, at=time.time()))) == ("ok", 200)
        await whatsapp.send_message(to=phone(1), text="olá")
        with pytest.raises(errors.WhatsAppError):
            await whatsapp.send_message(to=phone(2), text="olá")
        assert recorded.counter("messages.inbound") == 1
        assert recorded.counter("messages.outbound", origin="broadcast") == 2

    def test_shutdown_gives_the_client_back(self) -> None:
        whatsapp = client()
        before = whatsapp.webhook_update_handler
        with record_telemetry():
            instrument_pywa(whatsapp)
            assert whatsapp.webhook_update_handler != before
        assert whatsapp.webhook_update_handler == before
