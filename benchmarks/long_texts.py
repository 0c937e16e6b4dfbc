"""Long and opaque texts, invented, in the shape of real ones: traces, bodies, runs without a space."""

from __future__ import annotations

import base64
import json
import random
from typing import Final

_FRAMES: Final = (
    (
        "/usr/local/lib/python3.12/site-packages/uvicorn/protocols/http/httptools_impl.py",
        409,
        "run_asgi",
        "result = await app(  # type: ignore[func-returns-value]",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/fastapi/applications.py",
        1054,
        "__call__",
        "await super().__call__(scope, receive, send)",
    ),
    ("/usr/local/lib/python3.12/site-packages/starlette/middleware/errors.py", 186, "__call__", "raise exc"),
    (
        "/usr/local/lib/python3.12/site-packages/starlette/middleware/exceptions.py",
        63,
        "__call__",
        "await wrap_app_handling_exceptions(self.app, conn)(scope, receive, send)",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/starlette/_exception_handler.py",
        53,
        "wrapped_app",
        "await app(scope, receive, sender)",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/starlette/routing.py",
        715,
        "__call__",
        "await self.middleware_stack(scope, receive, send)",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/fastapi/routing.py",
        301,
        "app",
        "raw_response = await run_endpoint_function(",
    ),
    ("/srv/app/api/messages.py", 88, "post_message", "return await service.send(session=session, request=request)"),
    (
        "/srv/app/services/sending.py",
        141,
        "send",
        "reply = await self._client.post(url, json=payload, timeout=self._timeout_s)",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/httpx/_client.py",
        1859,
        "post",
        "return await self.request(method, url, **options)",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/httpx/_client.py",
        1540,
        "request",
        "return await self.send(request, auth=auth, follow_redirects=follow_redirects)",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/httpx/_transports/default.py",
        394,
        "handle_async_request",
        "resp = await self._pool.handle_async_request(req)",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/httpcore/_async/connection_pool.py",
        256,
        "handle_async_request",
        "raise exc from None",
    ),
    (
        "/usr/local/lib/python3.12/site-packages/anyio/streams/tls.py",
        140,
        "wrap",
        "await wrapper._call_sslobject_method(ssl_object.do_handshake)",
    ),
)


def stack_trace(size: int) -> str:
    """Return a trace of Python of about *size* characters."""
    lines = ["Traceback (most recent call last):"]
    for at in range(size // 190):
        file, line, name, source = _FRAMES[at % len(_FRAMES)]
        lines += [f'  File "{file}", line {line + at}, in {name}', f"    {source}", f"    {'^' * min(len(source), 60)}"]
    return "\n".join([*lines, "httpx.ConnectTimeout: [Errno 110] Connection timed out after 10.0 s"])


def json_body(size: int) -> str:
    """Return messages of an API, of about *size* characters, each with its receiver and text masked."""
    drawn = random.Random(9)
    items = []
    for at in range(size // 420):
        when = f"2026-11-{1 + at % 28:02}T{at % 24:02}:{at % 60:02}:{drawn.randrange(60):02}"
        items.append(
            {
                "id": f"msg_{1763898000000 + at * 977}_{drawn.randrange(36**6):x}",
                "to": "+55********4321",
                "text": "[masked:body]",
                "status": drawn.choice(["sent", "delivered", "read", "failed"]),
                "session": "main",
                "attempts": drawn.randrange(1, 4),
                "queuedAt": f"{when}.{drawn.randrange(1000):03}Z",
                "elapsedMs": drawn.randrange(20, 4000),
                "retry": None,
                "media": {"mimetype": "image/jpeg", "size": drawn.randrange(10**4, 10**6), "kind": "image"},
                "flow": {"id": f"c{drawn.randrange(36**5):x}", "step": "ask_date", "done": False},
                "tags": ["booking", "reminder"],
            }
        )
    return json.dumps({"page": 1, "items": items})


def words(size: int) -> str:
    """Return plain words."""
    return ("the worker has sent the message to the queue of its session and waits " * (size // 70 + 1))[:size]


TEXTS: Final = {
    "stack trace, 6 kB": stack_trace(6000),
    "plain words, 6 kB": words(6000),
    "one run of letters, 1 kB": "x" * 1000,
    "hexadecimal, 1 kB": random.Random(3).randbytes(500).hex(),
    "base64, 8 kB": base64.b64encode(random.Random(5).randbytes(6144)).decode(),
    "JSON, 30 kB": json_body(30_000),
}
