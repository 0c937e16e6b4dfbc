"""
The fault catalogue: one scenario a row, the same script for this package, the plain SDK and Logfire.

The rows' numbers are those of the catalogue in docs/evidence/faults.md, which `tools/prove_faults.py` writes.
"""

from __future__ import annotations

import time
from typing import Any

from fault_runner import Observed, Reply, Scenario, Verdict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

WITHIN_S = 5.0
PHONE = "5511987654321"
SERVED = """
from fastapi import FastAPI
app = FastAPI()
instrument(app)
@app.get("/work/{number}")
async def work(number: int):
    log.info("working %d", number)
    return {"number": number}
"""
SLOW_BATCHES = {"OTEL_BSP_SCHEDULE_DELAY": "30000", "OTEL_BLRP_SCHEDULE_DELAY": "30000"}
FULL_QUEUES = """
for number in range(3000):
    with tracer.start_as_current_span("lost"):
        log.info("lost %d", number)
    meter.create_counter("shop.calls").add(1)
report(done_at=time.time())
"""
TEN = """
for number in range(10):
    with tracer.start_as_current_span("span"):
        log.info("line %d", number)
"""


def answer(status: int, body: bytes = b"", **headers: str) -> Reply:
    return lambda _path, _body, _number: (
        status,
        {name.replace("_", "-"): text for name, text in headers.items()},
        body,
    )


def for_first_s(seconds: float, status: int, **headers: str) -> Reply:
    """The receiver answers so for its first *seconds*, and well afterwards."""
    begun: list[float] = []

    def reply(_path: str, _body: bytes, _number: int) -> tuple[int, dict[str, str], bytes]:
        begun.append(time.monotonic())
        late = time.monotonic() - begun[0] > seconds
        return (
            (200, {}, b"") if late else (status, {name.replace("_", "-"): text for name, text in headers.items()}, b"")
        )

    return reply


def partial(path: str, _body: bytes, _number: int) -> tuple[int, dict[str, str], bytes]:
    if path == "/v1/traces":
        traces = ExportTraceServiceResponse()
        traces.partial_success.rejected_spans = 7
        return 200, {}, traces.SerializeToString()
    if path == "/v1/logs":
        logs = ExportLogsServiceResponse()
        logs.partial_success.rejected_log_records = 7
        return 200, {}, logs.SerializeToString()
    return 200, {}, b""


def too_large(path: str, body: bytes, _number: int) -> tuple[int, dict[str, str], bytes]:
    return (413 if path != "/v1/metrics" and len(body) > 2500 else 200), {}, b""


def slowly(_path: str, _body: bytes, _number: int) -> tuple[int, dict[str, str], bytes]:
    time.sleep(9)
    return 200, {}, b""


def flap(period_s: float) -> Reply:
    def reply(_path: str, _body: bytes, _number: int) -> tuple[int, dict[str, str], bytes]:
        return (503 if int(time.monotonic() / period_s) % 2 else 200), {}, b""

    return reply


def delivered(spans: int, logs: int, span: str = "span", log: str = "line") -> Any:
    def judge(seen: Observed) -> Verdict:
        got = (min(seen.arrived(span), spans), min(seen.arrived(log), logs))
        return got == (spans, logs), f"{got[0]} of {spans} spans, {got[1]} of {logs} log lines"

    return judge


def served(seen: Observed) -> Verdict:
    spans = sum(record.kind == 2 for record in seen.sink.spans())
    lines = {text for text in seen.texts if text.startswith("working")}
    return (
        (spans, len(lines)) == (20, 20) and seen.exit_s < WITHIN_S,
        f"{spans} of 20 spans, {len(lines)} of 20 log lines, ended in {seen.exit_s:.1f} s",
    )


def ends_in_time(seen: Observed) -> Verdict:
    return seen.exit_s < WITHIN_S and seen.code == 0, f"ended {seen.exit_s:.1f} s after the last line"


def says(*words: str) -> Any:
    """The process says it: in its own output, and not as success."""

    def judge(seen: Observed) -> Verdict:
        said = any(word in seen.said.lower() for word in words)
        tries = max(seen.tries("/v1/traces"), 0)
        return said, f"{'said' if said else 'nothing said'}; {tries} request{'s' * (tries != 1)} for traces"

    return judge


def fact(name: str, expected: Any) -> Any:
    def judge(seen: Observed) -> Verdict:
        return seen.facts[name] == expected, f"{name.replace('_', ' ')}: {seen.facts[name]}"

    return judge


def at_most(name: str, most: float, unit: str = "") -> Any:
    def judge(seen: Observed) -> Verdict:
        return seen.facts[name] <= most, f"{name.replace('_', ' ')}: {seen.facts[name]:g}{unit}"

    return judge


def hides(*secrets: str) -> Any:
    """None of *secrets* left the process, and something did."""

    def judge(seen: Observed) -> Verdict:
        left = sorted(secret for secret in secrets if secret.encode() in seen.raw or secret in seen.said)
        shown = f"left: {', '.join(left)}" if left else "none left"
        return not left and bool(seen.sink.received), shown if seen.sink.received else "nothing was sent"

    return judge


def both(*judges: Any) -> Any:
    def judge(seen: Observed) -> Verdict:
        verdicts = [each(seen) for each in judges]
        return all(held for held, _ in verdicts), "; ".join(text for _, text in verdicts)

    return judge


def unharmed(seen: Observed) -> Verdict:
    return "harm" not in seen.facts, f"the application got {seen.facts.get('harm', 'no exception')}"


def few_tries(most: int) -> Any:
    def judge(seen: Observed) -> Verdict:
        tries = seen.tries("/v1/traces")
        return 1 <= tries <= most, f"{tries} request{'s' * (tries != 1)}"

    return judge


GUARDED = """
def guarded(act):
    try:
        act()
    except Exception as error:
        report(harm=type(error).__name__)
"""

DELIVERY = [
    Scenario(
        row=2,
        title=f"SIGTERM with spans in the batch window: {name}",
        expected="everything delivered, end within 5 s",
        script=SERVED,
        judge=served,
        server=command,
        environ=SLOW_BATCHES,
    )
    for name, command in {
        "uvicorn": ("uvicorn", "shop:app", "--port", "{port}"),
        "uvicorn, 2 workers": ("uvicorn", "shop:app", "--port", "{port}", "--workers", "2"),
        "gunicorn": ("gunicorn", "shop:app", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:{port}"),
    }.items()
] + [
    Scenario(
        row=3,
        title="collector refuses at exit, full queues",
        expected="end within 5 s",
        script=FULL_QUEUES,
        judge=both(ends_in_time, says("dropped", "fail", "error")),
        reply=None,
    ),
    Scenario(
        row=4,
        title="collector silent at exit, full queues",
        expected="end within 5 s",
        script=FULL_QUEUES,
        judge=ends_in_time,
        silent=True,
    ),
    Scenario(
        row=5,
        title="a hook or processor raises",
        expected="the application gets no exception, the rest arrives",
        script=GUARDED
        + """
from opentelemetry.sdk.trace import SpanProcessor
class Broken(SpanProcessor):
    def on_end(self, span):
        raise ValueError("hook")
from opentelemetry import trace
provider = trace.get_tracer_provider()
provider.add_span_processor(Broken())
def act():
    with tracer.start_as_current_span("span"):
        log.info("line")
guarded(act)
end()
""",
        judge=both(unharmed, delivered(1, 1)),
    ),
    Scenario(
        row=6,
        title="half a surrogate pair in one of 100 log lines",
        expected="the other 99 arrive",
        script="""
for number in range(100):
    log.info("line %d %s", number, "\\ud83d" if number == 50 else "")
end()
""",
        judge=delivered(0, 99),
    ),
    Scenario(
        row=7,
        title="wrong %-format, __str__ that raises",
        expected="no exception reaches the application",
        script=GUARDED
        + """
class Angry:
    def __str__(self): raise RuntimeError
    __repr__ = __str__
logging.raiseExceptions = False
guarded(lambda: log.info("line %s %s", "one"))
guarded(lambda: log.info("line %s", Angry()))
guarded(lambda: log.info("line", extra={"thing": Angry()}))
end()
""",
        judge=both(unharmed, delivered(0, 3)),
    ),
    Scenario(
        row=8,
        title="2**70, bytes, NaN, Decimal, set, generator as values",
        expected="no batch is lost",
        script=GUARDED
        + """
import datetime, decimal
odd = [2**70, b"\\xff\\x00", float("nan"), float("inf"), decimal.Decimal("1.5"), datetime.datetime.now(), {1, 2},
       (number for number in range(3)), object(), {"a": {1: 2}}, [1, "a", None]]
for number, value in enumerate(odd):
    def act():
        with tracer.start_as_current_span("span") as span:
            span.set_attribute("odd", value)
            log.info("line", extra={"odd": value})
    guarded(act)
end()
""",
        judge=both(unharmed, delivered(11, 11)),
    ),
    Scenario(
        row=9,
        title="200 with a partial success, 7 rejected",
        expected="said and counted",
        script=TEN + "end()",
        judge=says("reject", "partial", "dropped"),
        reply=partial,
    ),
    Scenario(
        row=10,
        title="302 to a login page",
        expected="a failure that is said",
        script=TEN + "flush(3)\nend()",
        judge=says("302", "fail", "dropped", "error"),
        reply=answer(302, location="/login"),
    ),
    Scenario(
        row=10,
        title="200 with an HTML page",
        expected="a failure that is said",
        script=TEN + "flush(3)\nend()",
        judge=says("fail", "dropped", "error", "otlp"),
        reply=answer(200, b"<html></html>", content_type="text/html"),
    ),
    Scenario(
        row=11,
        title="503 for 4 s, then well",
        expected="everything arrives, at most 9 requests before",
        script=TEN + "flush(1)\ntime.sleep(9)\nend()",
        judge=delivered(10, 10),
        reply=for_first_s(4, 503),
    ),
    Scenario(
        row=11,
        title="429 with Retry-After: 2, then well",
        expected="everything arrives",
        script=TEN + "flush(1)\ntime.sleep(6)\nend()",
        judge=both(delivered(10, 10), few_tries(4)),
        reply=for_first_s(1.5, 429, retry_after="2"),
    ),
    Scenario(
        row=11,
        title="429 with Retry-After: inf",
        expected="no hot loop, no hang",
        script=TEN + "flush(3)\nend()\nreport(done_at=time.time())",
        judge=both(few_tries(6), ends_in_time),
        reply=answer(429, retry_after="inf"),
    ),
    *(
        Scenario(
            row=12,
            title=f"{status}",
            expected="one request, said",
            script=TEN + "flush(2)\nend()",
            judge=both(few_tries(1), says(str(status), "dropped", "fail", "error")),
            reply=answer(status),
        )
        for status in (400, 401, 404, 500)
    ),
    Scenario(
        row=12,
        title="413 for more than 2,500 bytes",
        expected="sent in parts, everything arrives",
        script=TEN + "end()",
        judge=delivered(10, 10),
        reply=too_large,
        environ={"OTEL_EXPORTER_OTLP_COMPRESSION": "none"},
    ),
]

TEN_WITHOUT_OUTPUT = """
harm = []
for number in range(10):
    try:
        with tracer.start_as_current_span("span"): log.info("line %d", number)
    except BaseException as error: harm.append(type(error).__name__)
try: flush(5)
except BaseException as error: harm.append(type(error).__name__)
os.write(keep, ("REPORT" + json.dumps({"harmed": harm}) + "\\n").encode())
os._exit(0)
"""

FORK = """
stop = False
counter = meter.create_counter("shop.calls")
def work():
    while not stop:
        with tracer.start_as_current_span("parent"):
            log.info("parent")
        counter.add(1)
def flushing():
    while not stop:
        try: flush(1)
        except Exception: pass
for target in (work, flushing, flushing):
    threading.Thread(target=target, daemon=True).start()
bad = 0
for number in range(FORKS):
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        with tracer.start_as_current_span(f"child-{number}."):
            log.info("line-%d.", number)
        meter.create_counter(f"shop.child-{number}.").add(1)
        try: flush(5)
        finally: os._exit(0)
    end_s = time.time() + 12
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.time() > end_s:
            os.kill(child, 9); os.waitpid(child, 0); bad += 1
            break
        time.sleep(0.01)
    if bad > 3: break
stop = True
report(hanging=bad)
os._exit(0)
"""


def children(count: int) -> Any:
    def judge(seen: Observed) -> Verdict:
        raw = seen.raw
        got = [
            sum(f"{kind}-{number}.".encode() in raw for number in range(count))
            for kind in ("child", "line", "shop.child")
        ]
        return got == [count] * 3, "of {} children: {} spans, {} log lines, {} metrics".format(count, *got)

    return judge


PROCESSES = [
    Scenario(
        row=13,
        title="fork while exports hold every lock, 50 times",
        expected="every child exports all three",
        script="FORKS = 50\n" + FORK,
        judge=children(50),
        measured=False,
    ),
    Scenario(
        row=14,
        title="multiprocessing children (they end by os._exit)",
        expected="99 % delivered",
        script="""
import multiprocessing
def work(number):
    for part in range(10):
        with tracer.start_as_current_span("span"): log.info("line")
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=work, args=(number,)) for number in range(4)]
    for child in started: child.start()
    for child in started: child.join()
    end()
""",
        judge=delivered(40, 40),
    ),
    Scenario(
        row=15,
        title="gunicorn --preload with 2 workers, double fork",
        expected="an id of its own for each process",
        script="""
from opentelemetry import trace
def one(name):
    with tracer.start_as_current_span(name): pass
one("span")
if os.fork() == 0:
    one("span")
    if os.fork() == 0:
        one("span"); flush(5); os._exit(0)
    os.wait(); flush(5); os._exit(0)
os.wait()
end()
""",
        judge=lambda seen: (
            (ids := len({span.resource.get("service.instance.id") for span in seen.sink.spans()} - {None})) == 3,
            f"{ids} ids for 3 processes",
        ),
    ),
]

ABUSE = [
    Scenario(
        row=16,
        title="100,000 contact ids as a metric attribute",
        expected="at most 2,001 series, under 30 MB",
        script="""
def memory(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
counter = meter.create_counter("shop.calls")
before = memory()
for number in range(100_000): counter.add(1, {"contact": f"c{number}"})
report(more_megabytes=round(memory() - before, 1))
flush(20); end()
""",
        judge=lambda seen: (
            (
                points := max(
                    (len(each.sum.data_points) for each in seen.sink.metrics().get("shop.calls", [])), default=0
                )
            )
            <= 2 * 2001
            and seen.facts["more_megabytes"] < 30,
            f"{points} points, {seen.facts['more_megabytes']} MB more",
        ),
    ),
    Scenario(
        row=17,
        title="500 random hosts, methods and paths",
        expected="at most 20 series an instrument",
        script=SERVED
        + """
async def call(number):
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": f"M{number}",
             "scheme": "http", "path": f"/{number}", "raw_path": b"/", "query_string": b"",
             "root_path": "", "client": ("1.2.3.4", 5),
             "headers": [(b"host", b"h%d" % number), (b"user-agent", b"u%d" % number)], "server": ("shop", 80)}
    async def receive(): return {"type": "http.request", "body": b""}
    async def send(message): pass
    await app(scope, receive, send)
for number in range(500): asyncio.run(call(number))
flush(10); end()
""",
        judge=lambda seen: (
            (
                most := max(
                    (
                        len({str(point.attributes) for point in each.histogram.data_points})
                        for name, found in seen.sink.metrics().items()
                        if name.startswith("http.")
                        for each in found
                    ),
                    default=0,
                )
            )
            <= 20
            and most > 0,
            f"{most} series at most",
        ),
    ),
    Scenario(
        row=18,
        title="root logger at DEBUG, 5 s",
        expected="only the application's records",
        script="""
logging.getLogger().setLevel(logging.DEBUG)
for number in range(10):
    log.debug("line %d", number); time.sleep(0.5)
end()
""",
        judge=lambda seen: (
            len(seen.texts) == seen.arrived("line") == 10,
            f"{seen.arrived('line')} of the application, {len(seen.texts) - seen.arrived('line')} of others",
        ),
        environ={"OTEL_BLRP_SCHEDULE_DELAY": "300", "OTEL_BSP_SCHEDULE_DELAY": "300"},
    ),
    Scenario(
        row=19,
        title="SQL echo and an HTTP client's own log lines",
        expected="no number and no token leaves",
        script=f"""
from sqlalchemy import create_engine, text
import httpx
engine = create_engine("sqlite://", echo=True)
instrument_engine(engine)
logging.getLogger("httpx").setLevel(logging.INFO)
with engine.connect() as connection:
    connection.execute(text("select :phone, '{PHONE}'"), {{"phone": "{PHONE}"}})
httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))).get("http://u:s3cr3tpass@api.example/{PHONE}?token=t0kenvalue99")
end()
""",
        judge=lambda seen: (
            not (left := [name for name in (PHONE, "s3cr3tpass", "t0kenvalue99") if name.encode() in seen.raw])
            and bool(seen.sink.received),
            f"left: {', '.join(left)}" if left else "none left",
        ),
    ),
    Scenario(
        row=21,
        title="50 chained exceptions, a message of 5 MB",
        expected="no number leaves, the call takes under 0.5 s",
        script=f"""
error = None
for number in range(50):
    try:
        raise ValueError("call {PHONE}") from error
    except ValueError as caught: error = caught
log.error("chain", exc_info=error)
try: raise ValueError("x" * 5_000_000 + " {PHONE}")
except ValueError:
    start_s = time.perf_counter(); log.exception("large"); report(seconds=round(time.perf_counter() - start_s, 3))
end()
""",
        judge=both(hides(PHONE), at_most("seconds", 0.5, " s")),
    ),
    Scenario(
        row=27,
        title="a value limit of 20 that cuts a number in half",
        expected="no 7 digits of it are left",
        script=f"""
with tracer.start_as_current_span("span") as span: span.set_attribute("note", "please call {PHONE}")
end()
""",
        judge=hides("5511987"),
        environ={"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "20"},
    ),
    Scenario(
        row=28,
        title="10,000 levels, a cycle, 100,000 keys, 10 MB of text",
        expected="no exception, under 5 s",
        script=GUARDED
        + """
deep = {}
for number in range(10_000): deep = {"in": deep}
cycle = {}; cycle["in"] = cycle
start_s = time.perf_counter()
for value in (deep, cycle, {str(number): number for number in range(100_000)}, "x" * 10_000_000):
    guarded(lambda: log.info("line", extra={"value": value}))
report(seconds=round(time.perf_counter() - start_s, 2))
end()
""",
        judge=both(unharmed, at_most("seconds", 5.0, " s"), delivered(0, 4)),
    ),
    Scenario(
        row=29,
        title="100 KB of digits, brackets, @ and ey…",
        expected="twice the text takes at most 3 times as long",
        script="""
def seconds(size):
    best = 9
    for _ in range(3):
        start_s = time.process_time()
        for part in ("1 ", "(", "ey", "@a", "+55 "): log.info((part * size)[:size])
        best = min(best, time.process_time() - start_s)
    return best
small, large = seconds(50_000), seconds(100_000)
report(growth=round(large / max(small, 0.002), 1))
end()
""",
        judge=at_most("growth", 3.0),
    ),
]

CONTEXT = [
    Scenario(
        row=30,
        title="baggage with a number, a call to a foreign host",
        expected="no baggage leaves",
        script=f"""
from opentelemetry import baggage, context, propagate
token = context.attach(baggage.set_baggage("contact.phone", "{PHONE}"))
headers = {{}}
with tracer.start_as_current_span("span"): propagate.inject(headers)
report(baggage_sent="{PHONE}" in str(headers))
end()
""",
        judge=fact("baggage_sent", expected=False),
    ),
    Scenario(
        row=31,
        title="inbound baggage, traceparent, request id: 1 MB, CRLF, a number, not UTF-8",
        expected="the request is served, nothing of it is said",
        script=GUARDED
        + SERVED
        + f"""
async def call(name, value):
    sent = []
    scope = {{"type": "http", "asgi": {{"version": "3.0"}}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": "/work/1", "raw_path": b"/work/1", "query_string": b"", "root_path": "", "client": ("1.2.3.4", 5),
             "headers": [(b"host", b"h"), (name, value)], "server": ("shop", 80)}}
    async def receive(): return {{"type": "http.request", "body": b""}}
    async def send(message): sent.append(message)
    await app(scope, receive, send)
    assert sent[0]["status"] == 200
for name in (b"baggage", b"traceparent", b"tracestate", b"x-request-id"):
    for value in (b"x" * 1_000_000, b"a={PHONE}\\r\\nfake: line", b"\\xff\\xfe=\\xff", b"{PHONE}"):
        guarded(lambda: asyncio.run(call(name, value)))
end()
""",
        judge=both(unharmed, hides(PHONE)),
    ),
    Scenario(
        row=32,
        title="a number in an attribute of a measurement with an exemplar",
        expected="not in the exemplar either",
        script=f"""
counter = meter.create_counter("shop.calls")
with tracer.start_as_current_span("span"): counter.add(1, {{"note": "call {PHONE}"}})
flush(10); end()
""",
        judge=hides(PHONE),
    ),
    Scenario(
        row=33,
        title="a query byte 0xFF",
        expected="the answer of the bare application",
        script=SERVED
        + """
async def call():
    sent = []
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": "/work/1", "raw_path": b"/work/1", "query_string": b"a=\\xff", "root_path": "", "client": None,
             "headers": [(b"host", b"h")], "server": ("shop", 80)}
    async def receive(): return {"type": "http.request", "body": b""}
    async def send(message): sent.append(message)
    try: await app(scope, receive, send)
    except Exception as error: sent.append({"status": type(error).__name__})
    report(answers=[message["status"] for message in sent if "status" in message])
asyncio.run(call())
end()
""",
        judge=fact("answers", [200]),
    ),
    Scenario(
        row=34,
        title="a request is cancelled",
        expected="its span ends, the next request has a trace of its own",
        script="""
from fastapi import FastAPI
from opentelemetry import trace
app = FastAPI()
instrument(app)
@app.get("/slow")
async def slow(): await asyncio.sleep(30)
def scope(path):
    return {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": None,
            "headers": [], "server": ("shop", 80)}
async def receive():
    await asyncio.sleep(60)
async def send(message): pass
async def main():
    task = asyncio.create_task(app(scope("/slow"), receive, send))
    await asyncio.sleep(0.2); task.cancel()
    try: await task
    except asyncio.CancelledError: pass
    report(leaked=trace.get_current_span().get_span_context().is_valid)
asyncio.run(main())
end()
""",
        judge=both(
            fact("leaked", expected=False),
            lambda seen: (
                (ended := sum(span.kind == 2 for span in seen.sink.spans())) == 1,
                f"{ended} server span ended",
            ),
        ),
    ),
    Scenario(
        row=35,
        title="2,000 concurrent requests",
        expected="every log line has the trace of its request",
        script="""
from fastapi import FastAPI
from opentelemetry import trace
import httpx
app = FastAPI()
instrument(app)
@app.get("/work/{number}")
async def work(number: int):
    before = trace.get_current_span().get_span_context().trace_id
    await asyncio.sleep(0.01)
    same = before == trace.get_current_span().get_span_context().trace_id
    return {"trace": f"{before:032x}", "same": same}
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop", timeout=60) as client:
        answers = [answer.json() for answer in await asyncio.gather(*(client.get(f"/work/{n}") for n in range(2000)))]
    report(traces=len({answer["trace"] for answer in answers}), crossed=sum(not answer["same"] for answer in answers))
asyncio.run(main())
end()
""",
        judge=both(fact("traces", 2000), fact("crossed", 0)),
    ),
]

LIFECYCLE = [
    Scenario(
        row=36,
        title="set-up and shutdown 100 times",
        expected="no thread and no handler more",
        script="""
def state(): return (threading.active_count(), len(logging.getLogger().handlers), len(os.listdir("/proc/self/fd")))
again()
with tracer.start_as_current_span("round"): log.info("round")
again()
with tracer.start_as_current_span("round"): log.info("round")
before = state()
for number in range(100):
    again()
    with tracer.start_as_current_span("round"): log.info("round")
after = state()
report(more_threads=after[0] - before[0], more_handlers=after[1] - before[1], more_descriptors=after[2] - before[2])
end()
""",
        judge=lambda seen: (
            (more := [seen.facts[f"more_{name}"] for name in ("threads", "handlers", "descriptors")])[:2] == [0, 0]
            and more[2] <= 0,
            "{} threads, {} handlers, {} descriptors more".format(*more),
        ),
    ),
    Scenario(
        row=37,
        title="the interpreter ends without shutdown; sys.exit in a thread",
        expected="delivered, no traceback",
        script=TEN
        + """
threading.Thread(target=sys.exit).start()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
report(done_at=time.time())
""",
        judge=both(
            delivered(10, 10),
            ends_in_time,
            lambda seen: (
                "Traceback" not in seen.stderr,
                "a traceback" if "Traceback" in seen.stderr else "no traceback",
            ),
        ),
    ),
    Scenario(
        row=38,
        title="collector flaps every 3 s for 15 s",
        expected="nothing lost that is not counted; here: nothing",
        script="""
for number in range(150):
    with tracer.start_as_current_span(f"span-{number}."): log.info("line-%d.", number)
    time.sleep(0.1)
time.sleep(4)
end()
""",
        judge=delivered(150, 150),
        reply=flap(3),
        environ={"OTEL_BSP_SCHEDULE_DELAY": "300", "OTEL_BLRP_SCHEDULE_DELAY": "300"},
    ),
    Scenario(
        row=39,
        title="collector takes 9 s for each request",
        expected="a span and a line cost the caller under 1 ms of CPU (p99)",
        script="""
times = []
for number in range(3000):
    start_s = time.thread_time()
    with tracer.start_as_current_span("span"): log.info("line")
    times.append(time.thread_time() - start_s)
times.sort()
report(p99_ms=round(times[2970] * 1000, 2), done_at=time.time())
end()
""",
        judge=both(at_most("p99_ms", 1.0), ends_in_time),
        measured=False,
        reply=slowly,
    ),
    Scenario(
        row=41,
        title="a host name that does not exist",
        expected="said in one line, no traceback",
        script=TEN + "flush(3)\nend()",
        judge=both(
            says("dropped", "fail", "error"),
            lambda seen: ("Traceback" not in seen.stderr, f"{len(seen.stderr.splitlines())} lines on stderr"),
        ),
        environ={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318"},
    ),
    Scenario(
        row=41,
        title="a certificate of a stranger",
        expected="refused, said, nothing in plain text",
        script="""
import ssl, socket, subprocess, tempfile
folder = tempfile.mkdtemp()
command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
files = ["-keyout", f"{folder}/k", "-out", f"{folder}/c", "-addext", "subjectAltName=DNS:localhost"]
subprocess.run([*command, *files], check=True, capture_output=True)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(f"{folder}/c", f"{folder}/k")
listener = socket.create_server(("127.0.0.1", 0)); taken = []
def serve():
    while True:
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secure: taken.append(secure.recv(100))
        except OSError: pass
threading.Thread(target=serve, daemon=True).start()
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"https://localhost:{listener.getsockname()[1]}"
again()
"""
        + TEN
        + """
flush(3); end()
report(requests_given_away=len([part for part in taken if part]))
""",
        judge=both(fact("requests_given_away", 0), says("dropped", "fail", "error", "certificate")),
    ),
    Scenario(
        row=42,
        title="the clock jumps an hour ahead and two back",
        expected="flush and end in time, delivered",
        script="""
real, real_ns, jump = time.time, time.time_ns, 0
time.time = lambda: real() + jump
time.time_ns = lambda: real_ns() + int(jump * 1e9)
"""
        + TEN
        + """
jump = 3600
start_s = time.monotonic(); flush(5)
jump = -3600
with tracer.start_as_current_span("span"): log.info("line")
end()
report(seconds=round(time.monotonic() - start_s, 1))
""",
        judge=both(at_most("seconds", 5.0, " s"), delivered(11, 11)),
    ),
    Scenario(
        row=43,
        title="stdout and stderr closed",
        expected="the application goes on, telemetry arrives",
        script=GUARDED
        + """
keep = os.dup(1)
read, write = os.pipe(); os.close(read); os.dup2(write, 1); os.dup2(write, 2)
"""
        + TEN_WITHOUT_OUTPUT,
        judge=both(fact("harmed", []), delivered(10, 10)),
        environ={"WHATSSELF_OTEL_LOG_TO_STDOUT": "true"},
    ),
    Scenario(
        row=43,
        title="/dev/full as stdout",
        expected="the application goes on, telemetry arrives",
        script="""
keep = os.dup(1)
full = os.open("/dev/full", os.O_WRONLY); os.dup2(full, 1); os.dup2(full, 2)
"""
        + TEN_WITHOUT_OUTPUT,
        judge=both(fact("harmed", []), delivered(10, 10)),
        environ={"WHATSSELF_OTEL_LOG_TO_STDOUT": "true"},
    ),
    Scenario(
        row=44,
        title="an SQLAlchemy newer than the instrumentation allows",
        expected="said loudly",
        script="""
from pathlib import Path
folder = Path(__file__).parent / "sqlalchemy-9.9.9.dist-info"
folder.mkdir(); (folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: sqlalchemy\\nVersion: 9.9.9\\n")
from sqlalchemy import create_engine
try: instrument_engine(create_engine("sqlite://"))
except BaseException as error: report(harm=type(error).__name__)
end()
""",
        judge=both(
            unharmed,
            lambda seen: (
                ("sqlalchemy 9.9.9" in seen.said.lower()),
                "said" if "sqlalchemy 9.9.9" in seen.said.lower() else "nothing said",
            ),
        ),
    ),
    Scenario(
        row=45,
        title="secrets in arguments, headers, resource attributes, a database URL",
        expected="none leaves, none is shown",
        script="""
sys.argv.append("--password=hunter2hunter2")
if "telemetry" in globals():
    print(telemetry.config, telemetry.health(), file=sys.stderr)
log.warning("cannot reach %s", "postgresql://u:dbpassw0rd@db/shop")
with tracer.start_as_current_span("span"): pass
flush(5); end()
""",
        judge=hides("hunter2hunter2", "headert0ken", "dbpassw0rd", "resourcesecret1"),
        environ={
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20headert0ken",
            "OTEL_RESOURCE_ATTRIBUTES": "db.url=postgresql://u:resourcesecret1@db/shop",
        },
    ),
]

SCENARIOS: list[Scenario] = [*DELIVERY, *PROCESSES, *ABUSE, *CONTEXT, *LIFECYCLE]
