"""Logging that is configured after set-up: records are exported, and no console handler writes a raw line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from log_programs import MASKED, PHONE, SET_UP, run
from otlp_sink import Sink

CONFIGURATIONS = {
    "dictConfig": """
        import logging.config
        logging.config.dictConfig({
            "version": 1,
            "handlers": {"console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
            "root": {"level": "WARNING", "handlers": ["console"]},
        })
    """,
    "dictConfig without a handler": """
        import logging.config
        logging.config.dictConfig({"version": 1, "root": {"level": "WARNING", "handlers": []}})
    """,
    "dictConfig imported before": """
        imported_before({
            "version": 1,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "loggers": {"other": {"handlers": ["console"], "propagate": False}},
            "root": {"level": "INFO", "handlers": ["console"]},
        })
    """,
    "fileConfig": """
        import io, logging.config
        logging.config.fileConfig(io.StringIO('''
        [loggers]
        keys = root
        [handlers]
        keys = console
        [formatters]
        keys = generic
        [logger_root]
        level = WARNING
        handlers = console
        [handler_console]
        class = StreamHandler
        args = (sys.stderr,)
        formatter = generic
        [formatter_generic]
        format = %(levelname)s %(message)s
        '''.replace("        ", "")))
    """,
    "basicConfig by force": "logging.basicConfig(force=True)",
    "basicConfig with rich": """
        from rich.logging import RichHandler
        logging.basicConfig(force=True, handlers=[RichHandler(rich_tracebacks=True)])
    """,
    "coloredlogs": "import coloredlogs; coloredlogs.install(level='INFO')",
    "a console handler added to the root": "logging.getLogger().addHandler(logging.StreamHandler())",
    "no handler at all": "logging.getLogger().handlers.clear()",
    "a stream handler of its own that keeps records from the root": """
        shop = logging.getLogger("shop")
        shop.addHandler(logging.StreamHandler())
        shop.propagate = False
    """,
    "a subclass of StreamHandler that writes through a console": """
        import io
        from rich.console import Console

        class ConsoleHandler(logging.StreamHandler):  # as Prefect's
            def __init__(self):
                super().__init__(stream=sys.stderr)
                self.console = Console(file=self.stream)

            def emit(self, record):
                self.console.print(self.format(record), soft_wrap=True)

        logging.getLogger("shop").addHandler(ConsoleHandler())
        logging.getLogger("shop").propagate = False
    """,
    "the last resort": """
        logging.getLogger("shop").propagate = False
    """,
    "a file that is standard output": """
        logging.basicConfig(force=True, filename="/dev/stdout")
    """,
    "a file that is standard error, opened late": """
        logging.basicConfig(force=True, handlers=[logging.FileHandler("/dev/stderr", delay=True)])
    """,
    "a duplicate of standard error": """
        import os
        logging.basicConfig(force=True, stream=os.fdopen(os.dup(2), "w"))
    """,
    "a queue with the console behind it": """
        import logging.handlers, queue
        waiting = queue.SimpleQueue()
        listener = logging.handlers.QueueListener(waiting, logging.StreamHandler())
        listener.start()
        logging.basicConfig(force=True, handlers=[logging.handlers.QueueHandler(waiting)])
    """,
    "a memory handler before the console": """
        import logging.handlers
        logging.basicConfig(
            force=True, handlers=[logging.handlers.MemoryHandler(2, target=logging.StreamHandler())]
        )
    """,
    "every handler disabled with its loggers": """
        import logging.config
        logging.getLogger("shop")
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    """,
    "uvicorn's own configuration": """
        import uvicorn
        uvicorn.Config("shop:app", log_level="info")
    """,
}
"""Ways to configure logging after the set-up."""

PROGRAM = """
import logging, sys
from logging.config import dictConfig as imported_before
import warnings
logging.getLogger("shop")
{set_up}
{configuration}
logging.getLogger("shop").info("all is well")
logging.getLogger("shop").warning("to +{phone}", extra={{"depth": 1}})
try:
    raise ValueError("for +{phone}")
except ValueError:
    logging.getLogger("shop").exception("failed")
listener.stop() if "listener" in globals() else None
assert telemetry.health().ok, telemetry.health().problems
"""


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_records_are_exported_once_and_no_raw_line_is_written(sink: Sink, tmp_path: Path, name: str) -> None:
    configuration = dedent(CONFIGURATIONS[name]).strip()
    ran = run(sink, tmp_path, PROGRAM.format(set_up=SET_UP, configuration=configuration, phone=PHONE))

    assert (ran.status, ran.stderr) == (0, "")
    expected = ["all is well", f"to {MASKED}", "failed"][name == "the last resort" :]  # which starts at warning
    assert ran.messages("shop") == ran.written("shop") == expected
    assert len(ran.stdout.splitlines()) == len(ran.lines)
    ran.assert_no_phone()
