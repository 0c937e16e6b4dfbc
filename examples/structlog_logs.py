"""
structlog's events on the same masked way as every other log record, with the ids and the trace they belong to.

    python examples/structlog_logs.py
"""

from __future__ import annotations

import structlog

from whatsself_otel import message_context, setup_telemetry


def main() -> None:
    """Log one line about one message."""
    structlog.configure(
        logger_factory=structlog.stdlib.LoggerFactory(), processors=[structlog.stdlib.render_to_log_kwargs]
    )
    with setup_telemetry() as telemetry, telemetry.tracer.start_as_current_span("send reply"):
        log = structlog.get_logger("shop")
        with message_context(contact_id="contact-1", message_id="message-1"):
            log.warning("no answer", phone="+55 11 98765-4321", attempt=2)


if __name__ == "__main__":
    main()
