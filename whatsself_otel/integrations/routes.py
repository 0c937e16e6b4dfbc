"""
Find the route of a request without trying every route.

Contrib tries all routes before the application does; with 10,000 routes that costs more than the request. Here the
parts of the path lead to the few routes that can match, and those are asked as contrib asks them.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Host, Match, Mount, Route, WebSocketRoute

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    Scope = MutableMapping[str, Any]

_REBUILD_PAUSE_S: Final = 1.0
"""Shortest time between two searches for late routes."""
_MAX_WRAPPERS: Final = 20
"""Most middlewares around a mounted application that are looked through for its routes."""


@dataclass(slots=True)
class _Node:
    """The routes that begin with the path so far, by their place in the application's order."""

    children: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    ends: list[int] = field(default_factory=list)
    open_ended: list[int] = field(default_factory=list)
    """Routes that may match any rest: mounts, and paths with a parameter of several parts."""


class RouteIndex:
    """
    The routes of one application, by the parts of their paths.

    Args:
        app: The FastAPI application; routes added later are found too, at the latest a second later.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._size = -1
        self._built_s = 0.0
        self._routes: list[Any] = []
        self._plain: list[tuple[re.Pattern[str] | None, str | None]] = []
        """Pattern and template of each ordinary route; (None, None) for mounts, WebSockets and foreign classes."""
        self._mounted: dict[int, RouteIndex] = {}
        """The routes of mounted applications, by the place of their mount."""
        self._root = _Node()

    def find(self, scope: Scope) -> str | None:
        """
        Return the template of the route that *scope* will take, after those of its mounts; None if there is none.

        If a mounted application does not know the path, or hides its routes, the template is the mount's own.
        """
        if len(self._app.routes) != self._size:
            self._build()
        route, found = self._search(scope)
        if not found and time.monotonic() - self._built_s > _REBUILD_PAUSE_S:
            self._build()
            route, found = self._search(scope)
        return route

    def _search(self, scope: Scope) -> tuple[str | None, bool]:
        partial: str | None = None
        path = _route_path(scope)
        numbers = self._candidates(path)
        if len(numbers) == 1 and scope.get("type") == "http":
            pattern, template = self._plain[numbers[0]]
            if pattern is not None:  # whatever the method is, this is the template: no need to convert parameters
                return (template, True) if pattern.match(path) else (None, False)
        for number in sorted(numbers):
            route = self._routes[number]
            match, child = Route.matches(route, scope) if isinstance(route, Route) else route.matches(scope)
            if match == Match.FULL:
                return self._whole_path(number, scope, child), True
            if match == Match.PARTIAL:
                partial = route.path
        return partial, partial is not None

    def _whole_path(self, number: int, scope: Scope, child: Scope) -> str | None:
        path = getattr(self._routes[number], "path", None) or ""  # a route by host has none
        mounted = self._mounted.get(number)
        below = mounted.find({**scope, **child}) if mounted else None
        return f"{path}{below or ''}" or None

    def _candidates(self, path: str) -> list[int]:
        found: list[int] = list(self._root.open_ended)
        nodes = [self._root]
        for part in path.split("/")[1:]:
            nodes = [child for node in nodes for child in (node.children.get(part), node.parameter) if child]
            for node in nodes:
                found += node.open_ended
        for node in nodes:
            found += node.ends
        return found

    def _build(self) -> None:
        self._size = len(self._app.routes)
        self._built_s = time.monotonic()
        self._routes = list(_flatten(self._app.routes))
        self._plain = [_pattern_of(route) for route in self._routes]
        owners = {number: _owner_of_routes(route) for number, route in enumerate(self._routes)}
        self._mounted = {number: RouteIndex(owner) for number, owner in owners.items() if owner is not None}
        self._root = _Node()
        for number, route in enumerate(self._routes):
            self._add(number, route)

    def _add(self, number: int, route: Any) -> None:
        original = getattr(route, "original_route", route)
        path = getattr(route, "path", None)
        if not isinstance(path, str) or not isinstance(original, Route | WebSocketRoute | Mount):
            self._root.open_ended.append(number)
            return
        node, spans_parts = self._root, isinstance(original, Mount)
        for part in path.split("/")[1:]:
            if "{" not in part:
                node = node.children.setdefault(part, _Node())
                continue
            if ":path}" in part or part.count("{") != part.count("}"):
                spans_parts = True
                break
            node.parameter = node.parameter or _Node()
            node = node.parameter
        (node.open_ended if spans_parts else node.ends).append(number)


def _pattern_of(route: Any) -> tuple[re.Pattern[str] | None, str | None]:
    original = getattr(route, "original_route", route)
    pattern, template = getattr(route, "path_regex", None), getattr(route, "path", None)
    is_plain = isinstance(original, Route) and isinstance(pattern, re.Pattern) and isinstance(template, str)
    return (pattern, template) if is_plain else (None, None)


def _owner_of_routes(route: Any) -> Any:
    """Return the application with routes below *route*, or None. Middlewares around it have none: skip them."""
    original = getattr(route, "original_route", route)
    app = original.app if isinstance(original, Mount | Host) else None
    for _ in range(_MAX_WRAPPERS):
        if hasattr(app, "routes"):
            return app
        app = getattr(app, "app", None)
    return None


def _route_path(scope: Scope) -> str:
    """Return the path below the application's root, as Starlette sees it: ``/apix`` is not below ``/api``."""
    path = str(scope.get("path", ""))
    root = str(scope.get("root_path", ""))
    below = path.removeprefix(root)
    return below if below[:1] in {"", "/"} else path


def _flatten(routes: Any) -> Iterator[Any]:
    """Yield the routes that can match, with those of included routers; FastAPI nests them since 0.137."""
    try:
        from fastapi.routing import iter_route_contexts
    except ImportError:
        for route in routes:
            contexts = getattr(route, "effective_route_contexts", None)
            yield from contexts() if contexts else [route]
    else:
        yield from iter_route_contexts(routes)
