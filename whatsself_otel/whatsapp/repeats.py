"""Recognise repeated events: a bounded window of event ids, in this process or shared by Redis."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Protocol

from whatsself_otel.messages import OwnLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_logger: Final = OwnLogger(__name__)

REMEMBERED_S: Final = 7 * 86_400
"""Seconds that a shared window remembers: Meta repeats a webhook for up to seven days."""
TIMEOUT_S: Final = 0.2
"""Seconds allowed for a shared window; then this process's own window answers."""
_PREFIX: Final = "whatsself:seen:"


class Window(Protocol):
    """Remembers ids."""

    def add(self, ids: Sequence[str]) -> list[bool]:
        """Remember *ids*; return for each whether it is new."""

    def has(self, event_id: str) -> bool:
        """Return whether *event_id* is remembered."""

    def forget(self, event_id: str) -> None:
        """Treat *event_id* as new again."""


class ProcessWindow:
    """
    Remembers the latest ids of this process.

    Args:
        capacity: Ids, about 150 bytes each; >= 1.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, ids: Sequence[str]) -> list[bool]:
        """Remember *ids*; return for each whether it is new."""
        with self._lock:
            return [self._add(each) for each in ids]

    def has(self, event_id: str) -> bool:
        """Return whether *event_id* is remembered."""
        return event_id in self._seen

    def forget(self, event_id: str) -> None:
        """Treat *event_id* as new again."""
        with self._lock:
            self._seen.pop(event_id, None)

    def _add(self, event_id: str) -> bool:
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
        return True


class RedisWindow:
    """
    Shares a window between processes; needs the package ``redis``.

    Args:
        url: Of the Redis server; may hold a password.
        own: Answers while the server does not.
        on_error: Called each time that it does not; must not raise.
    """

    def __init__(self, url: str, own: ProcessWindow, on_error: Callable[[], object]) -> None:
        from redis import Redis

        self._own = own
        self._on_error = on_error
        self._redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._is_said = False

    def add(self, ids: Sequence[str]) -> list[bool]:
        """Remember *ids*; return for each whether it is new."""
        own = self._own.add(ids)
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for each in ids:
                    pipe.set(_PREFIX + each, 1, nx=True, ex=REMEMBERED_S)
                return [bool(answer) for answer in pipe.execute()]
        except Exception as error:  # noqa: BLE001 - whatever the client raises, the application goes on
            self._fail(error)
            return own

    def has(self, event_id: str) -> bool:
        """Return whether *event_id* is remembered."""
        try:
            return bool(self._redis.exists(_PREFIX + event_id))
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)
            return self._own.has(event_id)

    def forget(self, event_id: str) -> None:
        """Treat *event_id* as new again."""
        self._own.forget(event_id)
        try:
            self._redis.delete(_PREFIX + event_id)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._on_error()
        if not self._is_said:
            self._is_said = True
            _logger.warning(
                "whatsself_otel: the shared window of seen events does not answer (%s): events that come twice to "
                "two processes are counted twice until it does.",
                type(error).__name__,
            )


def open_window(capacity: int, url: str | None, on_error: Callable[[], object]) -> Window:
    """
    Return the window for the configuration.

    Args:
        capacity: Ids that this process remembers.
        url: Of a Redis server; None for this process alone.
        on_error: Called when the server does not answer; must not raise.
    """
    own = ProcessWindow(capacity)
    if url is None:
        return own
    try:
        return RedisWindow(url, own, on_error)
    except Exception as error:  # noqa: BLE001 - a missing package or a wrong URL must not stop the application
        on_error()
        _logger.warning(
            "whatsself_otel: the shared window of seen events cannot be opened (%s): install redis and check "
            "repeats_url.",
            type(error).__name__,
        )
        return own
