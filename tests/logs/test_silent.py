"""A logger that an application has silenced stays silent; one that a configuration silences by accident does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from log_programs import PHONE, SET_UP, run
from otlp_sink import Sink

SILENCED = {
    "without handlers and kept from the root": "shop.handlers, shop.propagate = [], False; shop.info('said')",
    "with nothing but a null handler": (
        "shop.addHandler(logging.NullHandler()); shop.propagate = False; shop.error('said')"
    ),
    "by its level": "shop.setLevel(logging.ERROR); shop.warning('said')",
    "disabled": "shop.disabled = True; shop.error('said')",
    "disabled before a configuration": """
import logging.config
shop.disabled = True
logging.config.dictConfig({"version": 1})
shop.error('said')
""",
    "by a filter of its console": """
shop.addHandler(logging.StreamHandler())
shop.handlers[0].addFilter(lambda record: False)
shop.propagate = False
shop.error('said')
""",
    "while Sentry looks at every record": """
import sentry_sdk
sentry_sdk.init()
shop.handlers, shop.propagate = [], False
shop.info('said')
""",
}


@pytest.mark.parametrize("how", SILENCED)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_logger_that_was_silenced_stays_silent(sink: Sink, tmp_path: Path, how: str, when: str) -> None:
    lines = SILENCED[how].strip().replace("; ", "\n").splitlines()
    silence, say = "\n".join(lines[:-1]), lines[-1]
    steps = [silence, SET_UP] if when == "before" else [SET_UP, silence]
    program = "\n".join(["import logging", "shop = logging.getLogger('shop')", *steps, say])
    ran = run(sink, tmp_path, program)

    assert (ran.status, ran.stderr) == (0, "")
    assert (ran.messages("shop"), ran.written("shop")) == ([], [])


@pytest.mark.parametrize("options", [["--no-access-log"], ["--log-level", "warning"], []])
def test_uvicorns_access_log_is_written_if_it_was_wanted(sink: Sink, tmp_path: Path, options: list[str]) -> None:
    """The application is loaded by uvicorn, after uvicorn has configured its loggers."""
    (tmp_path / "shop.py").write_text(
        "from fastapi import FastAPI\nfrom whatsself_otel import setup_telemetry\n"
        "app = FastAPI()\nsetup_telemetry(app)\n"
        "@app.get('/contacts/{phone}')\ndef read(phone: str): return 'read'\n",
        encoding="utf-8",
    )
    ran = run(sink, tmp_path, SERVE_ONCE.format(options=options, phone=PHONE))

    access = [message for message in ran.messages("uvicorn.access") if "GET /contacts/" in message]
    assert "read" in ran.stdout
    assert len(access) == len([line for line in ran.written("uvicorn.access") if "GET" in line]) == (not options)
    ran.assert_no_phone()


SERVE_ONCE = """
import os, signal, socket, sys, threading, time, urllib.request

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]

def ask():
    while True:
        try:
            answer = urllib.request.urlopen(f"http://127.0.0.1:{{port}}/contacts/%2B{phone}?to={phone}")
            break
        except OSError:
            time.sleep(0.1)
    print(answer.read().decode(), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=ask, daemon=True).start()
sys.path.insert(0, "")
sys.argv[1:] = ["shop:app", "--port", str(port), *{options}]
from uvicorn.main import main
main()
"""


def test_a_file_of_its_own_is_written_raw_and_exported_masked(sink: Sink, tmp_path: Path) -> None:
    """Its lines were meant for the file, not for the console; and a file may hold more than is exported."""
    ran = run(
        sink,
        tmp_path,
        "import logging\n"
        + SET_UP
        + "audit = logging.getLogger('audit')\n"
        + "audit.addHandler(logging.FileHandler('audit.log'))\n"
        + "audit.propagate = False\n"
        + "audit.setLevel(logging.DEBUG)\n"
        + f"audit.debug('fine')\naudit.info('to +{PHONE}')\n",
    )

    assert (tmp_path / "audit.log").read_text("utf-8") == f"fine\nto +{PHONE}\n"
    assert ran.messages("audit") == ["to +55********4321"]
    assert ran.written("audit") == []
