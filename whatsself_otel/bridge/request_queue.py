"""
A queue on the disk: one file for each request that a target could not take.

The file is synced before the gateway gets 200, and deleted once the target has the request. Its name holds the place
in the order and the route.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whatsself_otel.bridge.requests import WebhookRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUFFIX: Final = ".request"
_PART: Final = ".part"


class QueueFullError(Exception):
    """The folder holds all that it may, or cannot be written."""


@dataclass(slots=True)
class Waiting:
    """One request of a lane: its file, and whether that is there for good."""

    path: Path
    at: float
    size_bytes: int
    written: asyncio.Event = field(default_factory=asyncio.Event)


class Lane:
    """The requests of one route, in their order."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest_at(self) -> float | None:
        """When the oldest came, Unix seconds."""
        return next((each.at for each in self._waiting.values()), None)

    def add(self, number: int, waiting: Waiting) -> None:
        """Take a place at the end."""
        self._waiting[number] = waiting
        self._changed.set()

    def remove(self, number: int) -> Waiting:
        """Give a place up."""
        removed = self._waiting.pop(number)
        removed.written.set()
        return removed

    async def first(self) -> tuple[int, Waiting]:
        """Wait for a request, and return the oldest once it is written."""
        while True:
            number, waiting = next(iter(self._waiting.items()), (0, None))
            if waiting is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            await waiting.written.wait()
            if number in self._waiting:
                return number, waiting


class RequestQueue:
    """
    A folder of requests.

    Args:
        folder: Only its owner may read it.
        max_bytes: What it may hold.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._number = 0
        self._lanes: dict[str, Lane] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        for part in folder.glob(f"*{_PART}"):  # nobody was told that it is kept
            part.unlink(missing_ok=True)
        for number, lane, path in sorted(self._files()):
            self._take_in(number, lane, path)

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    @property
    def oldest_age_s(self) -> float:
        """Age of the oldest request; 0 if there is none."""
        oldest = min((at for lane in self._lanes.values() if (at := lane.oldest_at) is not None), default=None)
        return 0.0 if oldest is None else max(0.0, time.time() - oldest)

    def lane(self, route_path: str) -> Lane:
        """Return the lane of the route of that path."""
        return self._lanes.setdefault(_lane_name(route_path), Lane())

    def count_orphans(self, route_paths: list[str]) -> int:
        """Return how many requests belong to none of the routes that there are now."""
        known = {_lane_name(path) for path in route_paths}
        return sum(len(lane) for name, lane in self._lanes.items() if name not in known)

    async def put(self, request: WebhookRequest, route_path: str) -> None:
        """
        Keep *request*; it is on the disk when this returns.

        Raises:
            QueueFullError: It is not kept.
        """
        stored = request.to_bytes()
        if self._held_bytes + len(stored) > self._max_bytes:
            raise QueueFullError("the queue is full")
        self._number, lane = self._number + 1, self.lane(route_path)
        number = self._number
        path = self._folder / f"{number:020d}.{_lane_name(route_path)}{_SUFFIX}"
        waiting = Waiting(path, request.at, len(stored))
        self._held_bytes += waiting.size_bytes
        lane.add(number, waiting)
        try:
            await asyncio.shield(asyncio.to_thread(_write, path, stored))
        except OSError as error:
            self._forget(lane, number)
            raise QueueFullError(type(error).__name__) from None
        waiting.written.set()

    async def read(self, waiting: Waiting) -> WebhookRequest | None:
        """Return a request, None if its file cannot be read any more."""
        try:
            return WebhookRequest.from_bytes(await asyncio.to_thread(waiting.path.read_bytes))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def settle(self, lane: Lane, number: int) -> None:
        """Delete a request that has left, or never will."""
        waiting = self._forget(lane, number)
        with contextlib.suppress(OSError):
            waiting.path.unlink(missing_ok=True)

    def _forget(self, lane: Lane, number: int) -> Waiting:
        waiting = lane.remove(number)
        self._held_bytes -= waiting.size_bytes
        return waiting

    def _files(self) -> Iterator[tuple[int, str, Path]]:
        for path in self._folder.glob(f"*{_SUFFIX}"):
            number, _, lane = path.name.removesuffix(_SUFFIX).partition(".")
            if number.isdecimal():
                yield int(number), lane, path

    def _take_in(self, number: int, lane: str, path: Path) -> None:
        about = path.stat()
        waiting = Waiting(path, about.st_mtime, about.st_size)
        waiting.written.set()
        self._held_bytes += about.st_size
        self._number = max(self._number, number)
        self._lanes.setdefault(lane, Lane()).add(number, waiting)


def _write(path: Path, stored: bytes) -> None:
    part = path.with_suffix(_PART)
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(file, "wb", closefd=True) as stream:  # noqa: PTH123 - of a descriptor
            stream.write(stored)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there, and need not be
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lane_name(route_path: str) -> str:
    """Return a digest of the route's path for names of files: the path may hold a secret."""
    return hashlib.sha256(route_path.encode()).hexdigest()[:12]
