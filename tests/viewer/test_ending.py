"""The viewer's block ends whatever its server is held up by."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED_IMPORT = """
import _imp
from whatsself_otel.viewer.server import Viewer

_imp.acquire_lock()  # as an import leaves it that a signal's KeyboardInterrupt has ended in its first lines
with Viewer():
    pass
print("ended")
"""


def test_an_import_that_an_interrupt_has_ended_holds_up_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.returncode) == ("ended\n", 0), done.stderr
