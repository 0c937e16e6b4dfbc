"""
A process that reads webhooks and answers, one JSON object a line, and exports its counts at the end of the input.

    python provider_process.py METRICS_URL [REDIS_URL]
"""

from __future__ import annotations

import json
import sys

from whatsself_otel import TelemetryConfig, WhatsAppConfig, setup_telemetry


def main(metrics_url: str, repeats_url: str | None = None) -> None:
    config = TelemetryConfig(
        metrics_endpoint=metrics_url,
        metric_interval_s=1.0,
        traces_exporter="none",
        logs_exporter="none",
        log_to_stdout=False,
        whatsapp=WhatsAppConfig(repeats_url=repeats_url),
        environ={},
    )
    telemetry = setup_telemetry(config=config)
    say("ready")
    for line in sys.stdin:
        command = json.loads(line)
        if "answer" in command:
            telemetry.whatsapp.observe_send(command["answer"])
        elif "size" in command:
            telemetry.whatsapp.observe(b'{"entry": "' + b"x" * command["size"] + b'"}')
        else:
            telemetry.whatsapp.observe(command["body"].encode())
        say("told")
    assert telemetry.shutdown(20)


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
