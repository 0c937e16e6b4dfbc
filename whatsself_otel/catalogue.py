"""Every name this package puts on the wire: the single source of metrics, attributes, buckets and log fields."""

from __future__ import annotations

from typing import Final

REQUEST_ID: Final = "requestId"
CONTACT_ID: Final = "contactId"
MESSAGE_ID: Final = "messageId"
TRIGGER_ID: Final = "triggerId"
FLOW_ID: Final = "flowId"
STEP_KEY: Final = "stepKey"
ROUTE: Final = "route"
SESSION: Final = "session"
EVENT: Final = "event"
