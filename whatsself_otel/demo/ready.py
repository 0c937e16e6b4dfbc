"""
Wait until URLs answer: the health gate of compose for images that have no shell to ask with.

    python -m whatsself_otel.demo.ready --timeout 180 http://otelcol:13133/ http://loki:3100/ready
"""

from __future__ import annotations

import argparse
import http.client
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait as the command line says; 0 when every URL has answered well, 1 when one has not in time."""
    options = _parse(arguments)
    deadline_s = time.monotonic() + options.timeout
    waiting = list(options.urls)
    while waiting := [url for url in waiting if not _answers(url)]:
        if time.monotonic() > deadline_s:
            sys.stderr.write(f"not ready within {options.timeout:g} s: {', '.join(waiting)}\n")
            return 1
        time.sleep(options.every)
    return 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - the URLs are the operator's own
            return bool(answer.status == http.client.OK)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return False
    except (OSError, http.client.HTTPException):
        return False


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m whatsself_otel.demo.ready", description=__doc__)
    parser.add_argument("urls", nargs="+", metavar="URL", help="must answer 200")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds to wait (default: %(default)s)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two tries (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
