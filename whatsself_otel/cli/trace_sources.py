"""The stores of traces that ``trace`` asks, each through its own API."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from whatsself_otel.stack.store_http import get
from whatsself_otel.viewer.console_view import MessageStory
from whatsself_otel.viewer.note import Note, note_file

if TYPE_CHECKING:
    from whatsself_otel.stack.log_stores import LogStores
    from whatsself_otel.viewer.trace_stores import TraceStore


class Source(Protocol):
    """A store that can tell a message's story."""

    @property
    def name(self) -> str:
        """What to call it."""

    def find(self, wanted: str) -> list[str]:
        """Return the trace ids of any id, newest first."""

    def story(self, trace_id: str) -> MessageStory:
        """Return everything about one trace."""


@dataclass(frozen=True, slots=True)
class ViewerSource:
    """The embedded viewer."""

    url: str
    token: str = field(repr=False)
    name: str = "viewer"

    @classmethod
    def find_running(cls, *, url: str | None, token: str | None) -> ViewerSource | None:
        """Return the viewer that left a note, or the one that is named; None when there is neither."""
        note = Note.read(note_file())
        if note is not None:
            url, token = url or note.url, token or note.token
        return cls(url, token) if url and token else None

    def find(self, wanted: str) -> list[str]:
        """Ask for it."""
        found = json.loads(self._get(f"/api/find?{urlencode({'id': wanted})}"))
        return [trace["traceId"] for trace in found["traces"]]

    def story(self, trace_id: str) -> MessageStory:
        """Return spans and log records as they came."""
        data = TracesData.FromString(self._get(f"/api/traces/{trace_id}/traces.pb"))
        logs = LogsData.FromString(self._get(f"/api/traces/{trace_id}/logs.pb"))
        return MessageStory(
            trace_id=trace_id,
            spans=[span for owner in data.resource_spans for scope in owner.scope_spans for span in scope.spans],
            logs=[log for owner in logs.resource_logs for scope in owner.scope_logs for log in scope.log_records],
            points=(),
        )

    def _get(self, path: str) -> bytes:
        return get(self.name, self.url + path, {"authorization": f"Bearer {self.token}"}) or b""


@dataclass(frozen=True, slots=True)
class Backend:
    """A store of traces, with a log store beside it."""

    store: TraceStore
    logs: LogStores

    @property
    def name(self) -> str:
        """What to call it."""
        return self.store.name

    def find(self, wanted: str) -> list[str]:
        """Ask for it."""
        return self.store.find(wanted)

    def story(self, trace_id: str) -> MessageStory:
        """Return the trace, and its log lines."""
        found = self.store.trace(trace_id)
        spans = [span for _, _, span in found.spans] if found else []
        return MessageStory(trace_id=trace_id, spans=spans, logs=self.logs.lines(trace_id), points=())
