"""Every standard variable with a right, a wrong and an empty value, in fresh processes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from certificates import Certificates, make_certificates
from environment_probe import LONG, PHONE
from environment_stage import Run, run_probe
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from otlp_sink import values
from rows import for_each

from whatsself_otel import TelemetryConfig
from whatsself_otel._environment import OTHERS, STANDARD_PREFIX
from whatsself_otel.config import variable_names

See = Callable[[Run], Any]
CLIENT = SpanMessage.SPAN_KIND_CLIENT
TO_SINK = {"endpoint": "{http}"}
MASKED = LONG.replace(PHONE, "+55********4321")
SIGNALS = {"TRACES": "trace", "METRICS": "metric", "LOGS": "log"}


@dataclass(frozen=True)
class Case:
    """
    One variable.

    Args:
        right: A value that is honoured.
        wrong: A value that is not; empty where each is.
        see: What the variable changes.
        expected: That, with the right value.
        default: That, with the wrong value and with the empty one.
        group: The run in which it has its right value.
    """

    right: str
    wrong: str
    see: See
    expected: Any
    default: Any
    group: str = "plain"


@dataclass(frozen=True)
class Group:
    """Variables besides those of a group's cases, and the arguments of the configuration."""

    variables: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=lambda: TO_SINK)


GROUPS = {
    "plain": Group(),
    "general limits": Group(),
    "contrib": Group(),
    "off": Group(),
    "none": Group(),
    "sampler": Group(),
    "ratio": Group({"OTEL_TRACES_SAMPLER": "traceidratio"}),
    "endpoint": Group({}, {}),
    "endpoints": Group({}, {}),
    "grpc": Group({"OTEL_EXPORTER_OTLP_ENDPOINT": "{grpc}"}, {}),
    "signals grpc": Group({f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT": "{grpc}" for signal in SIGNALS}, {}),
    "tls": Group({}, {"endpoint": "{https}"}),
    "signals tls": Group({}, {"endpoint": "{https}"}),
    "hung batch": Group({"OTEL_METRIC_EXPORT_INTERVAL": "200"}, {"endpoint": "{hung}"}),
    "hung": Group({"OTEL_METRIC_EXPORT_INTERVAL": "200"}, {"endpoint": "{hung}"}),
    "hung signals": Group({"OTEL_METRIC_EXPORT_INTERVAL": "200"}, {"endpoint": "{hung}"}),
    "unused": Group(),
}


def attribute(see: Callable[[Run], Any], key: str) -> See:
    """See the attribute *key* of what *see* sees; None where there is nothing."""
    return lambda run: values(getattr(see(run), "attributes", ())).get(key)


def size(see: Callable[[Run], Any], path: str) -> See:
    """See how many there are, at *path* of what *see* sees."""

    def count(run: Run) -> int:
        found = see(run)
        for name in path.split("."):
            found = found[0] if name == "0" else getattr(found, name)
        return len(found)

    return count


def wide(run: Run) -> Any:
    return run.span("wide")


def line(run: Run) -> Any:
    return run.records("a line")[0]


def event(run: Run) -> Any:
    return wide(run).events[0]


def queue_limit(signal: str) -> See:
    return lambda run: run.report["limits"][signal]


def has_small_batches(kind: str) -> See:
    """See whether no export had more than ten items."""
    paths = {"trace": ("resource_spans", "scope_spans", "spans"), "log": ("resource_logs", "scope_logs", "log_records")}
    first, second, third = paths[kind]

    def see(run: Run) -> bool:
        return all(
            sum(
                len(getattr(scope, third)) for group in getattr(each.message, first) for scope in getattr(group, second)
            )
            <= 10
            for each in run.of(kind)
        )

    return see


def receiver(kind: str) -> See:
    return lambda run: {each.receiver for each in run.of(kind)}


def header(kind: str, name: str) -> See:
    return lambda run: run.of(kind)[0].headers.get(name)


def count_of(kind: str) -> See:
    return lambda run: len(run.of(kind)) > 0


def served(path: str) -> See:
    """See the server span of the request for *path*; its attributes are values."""
    return lambda run: next(
        (span for span in run.spans("GET /{path:path}") if values(span.attributes).get("url.path") == path), None
    )


def called(run: Run) -> Any:
    """See the span of the client."""
    return next((span for span in run.spans("GET") if span.kind == CLIENT), None)


def timeout(signal: str) -> See:
    """Return the timeout in force, and whether it ended an export that got no answer."""

    def see(run: Run) -> Any:
        error = run.report["errors"].get(signal, "")
        return run.report["timeouts"][signal], "Timeout" in error if error else None

    return see


def took(signal: str) -> See:
    """See whether the first export waited for a second at least."""
    return lambda run: run.report["took_s"][signal] >= 0.9


def histogram(run: Run) -> Any:
    return run.metrics("probe.duration")[-1]


CASES: dict[str, Case] = {
    "OTEL_SDK_DISABLED": Case("True", "yes", lambda run: bool(run.received), expected=False, default=True, group="off"),
    "OTEL_SERVICE_NAME": Case(
        "shop", "a\tb", lambda run: run.resource()["service.name"], expected="shop", default="whatsself"
    ),
    "OTEL_RESOURCE_ATTRIBUTES": Case(
        "deployment.environment.name=production,team=a%2Cb=c,service.name=other",
        "team",
        lambda run: (run.resource()["deployment.environment.name"], run.resource().get("team")),
        expected=("production", "a,b=c"),
        default=("development", None),
    ),
    "OTEL_LOG_LEVEL": Case(
        "debug", "loud", lambda run: "a detail of the SDK" in run.output, expected=True, default=False
    ),
    "OTEL_PROPAGATORS": Case(
        "tracecontext,baggage",
        "carrier-pigeon",
        lambda run: {name: value for name, value in run.report["outgoing"].items() if name != "traceparent"},
        expected={"baggage": "shop=yes"},
        default={},
    ),
    "OTEL_TRACES_SAMPLER": Case(
        "always_off", "sometimes", count_of("trace"), expected=False, default=True, group="sampler"
    ),
    "OTEL_TRACES_SAMPLER_ARG": Case("0", "two", count_of("trace"), expected=False, default=True, group="ratio"),
    "OTEL_METRIC_EXPORT_INTERVAL": Case(
        "200", "soon", lambda run: len(run.of("metric")) >= 3, expected=True, default=False
    ),
    "OTEL_METRICS_EXEMPLAR_FILTER": Case(
        "always_off",
        "some",
        lambda run: (
            bool(histogram(run).exponential_histogram.data_points or histogram(run).histogram.data_points)
            and any(
                point.exemplars
                for each in run.metrics("probe.duration")
                for point in (*each.histogram.data_points, *each.exponential_histogram.data_points)
            )
        ),
        expected=False,
        default=True,
    ),
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": Case(
        "Delta",
        "newest",
        lambda run: run.metrics("probe.events")[-1].sum.aggregation_temporality,
        expected=1,
        default=2,
    ),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": Case(
        "base2_exponential_bucket_histogram",
        "logarithmic",
        lambda run: histogram(run).WhichOneof("data"),
        expected="exponential_histogram",
        default="histogram",
    ),
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": Case(
        "process", "crystal_ball", lambda run: "process.pid" in run.resource(), expected=True, default=False
    ),
    "OTEL_PYTHON_CONTEXT": Case(
        "contextvars_context",
        "crystal_ball",
        lambda run: run.report["context"],
        expected="ContextVarsRuntimeContext",
        default="ContextVarsRuntimeContext",
    ),
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": Case(
        "true",
        "perhaps",
        lambda run: bool(run.metrics("otel.sdk.span.started")),
        expected=True,
        default=False,
        group="contrib",
    ),
    "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": Case(
        "private/.*", "(", lambda run: bool(served("/private/orders")(run)), expected=False, default=True
    ),
    "OTEL_PYTHON_EXCLUDED_URLS": Case(
        "private/.*",
        "(",
        lambda run: bool(served("/private/orders")(run)),
        expected=False,
        default=True,
        group="general limits",
    ),
    "OTEL_SEMCONV_STABILITY_OPT_IN": Case(
        "http/dup",
        "newest",
        attribute(served("/open"), "http.method"),
        expected="GET",
        default=None,
        group="contrib",
    ),
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": Case(
        "x-captured,x-other",
        "(",
        attribute(served("/open"), "http.request.header.x_captured"),
        expected=["seen"],
        default=None,
        group="contrib",
    ),
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE": Case(
        "content-type",
        "(",
        attribute(served("/open"), "http.response.header.content_type"),
        expected=["application/json"],
        default=None,
        group="contrib",
    ),
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": Case(
        "x-oth.*",
        "(",
        attribute(served("/open"), "http.request.header.x_other"),
        expected=["[REDACTED]"],
        default=None,
        group="contrib",
    ),
    "OTEL_PYTHON_INSTRUMENTATION_HTTP_CAPTURE_ALL_METHODS": Case(
        "true", "", lambda run: bool(run.spans("BREW /{path:path}")), expected=True, default=False
    ),
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": Case(
        "x-captured",
        "(",
        attribute(called, "http.request.header.x_captured"),
        expected=["seen"],
        default=None,
        group="contrib",
    ),
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE": Case(
        "content-type",
        "(",
        attribute(called, "http.response.header.content_type"),
        expected=["application/json"],
        default=None,
        group="contrib",
    ),
    **{
        f"OTEL_{kind}_SCHEDULE_DELAY": Case("10", "-1", took(signal), expected=False, default=True)
        for kind, signal in (("BSP", "traces"), ("BLRP", "logs"))
    },
    **{
        f"OTEL_{kind}_MAX_QUEUE_SIZE": Case(right, "0", queue_limit(signal), expected=int(right), default=8192)
        for kind, signal, right in (("BSP", "traces", "900"), ("BLRP", "logs", "700"))
    },
    **{
        f"OTEL_{kind}_MAX_EXPORT_BATCH_SIZE": Case("10", "many", has_small_batches(of), expected=True, default=False)
        for kind, of in (("BSP", "trace"), ("BLRP", "log"))
    },
    **{
        name: Case("300", "-1", timeout(signal), expected=(0.3, True), default=(10.0, None), group="hung batch")
        for name, signal in (
            ("OTEL_BSP_EXPORT_TIMEOUT", "traces"),
            ("OTEL_BLRP_EXPORT_TIMEOUT", "logs"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "metrics"),
        )
    },
    # Limits: a value is masked, then cut.
    "OTEL_ATTRIBUTE_COUNT_LIMIT": Case(
        "3",
        "-1",
        lambda run: (len(wide(run).attributes), wide(run).dropped_attributes_count, len(event(run).attributes)),
        expected=(3, 3, 3),
        default=(6, 0, 6),
        group="general limits",
    ),
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": Case(
        "12",
        "long",
        lambda run: {attribute(wide, "attribute.5")(run), attribute(line, "attribute.5")(run)},
        expected={MASKED[:12]},
        default={MASKED},
        group="general limits",
    ),
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": Case("2", "many", size(wide, "attributes"), expected=2, default=6),
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": Case(
        "12", "-5", attribute(wide, "attribute.5"), expected=MASKED[:12], default=MASKED
    ),
    "OTEL_SPAN_EVENT_COUNT_LIMIT": Case("1", "1.5", size(wide, "events"), expected=1, default=4),
    "OTEL_SPAN_LINK_COUNT_LIMIT": Case("1", "x", size(wide, "links"), expected=1, default=4),
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": Case("1", "x", size(wide, "events.0.attributes"), expected=1, default=6),
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": Case("1", "x", size(wide, "links.0.attributes"), expected=1, default=6),
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": Case("1", "x", size(line, "attributes"), expected=1, default=6),
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": Case(
        "12", "x", attribute(line, "attribute.5"), expected=MASKED[:12], default=MASKED
    ),
    # Exporters.
    **{
        f"OTEL_{signal}_EXPORTER": Case("none", wrong, count_of(kind), expected=False, default=True, group="none")
        for (signal, kind), wrong in zip(SIGNALS.items(), ("zipkin", "prometheus", "otlp,console"), strict=True)
    },
    "OTEL_EXPORTER_OTLP_ENDPOINT": Case(
        "{http}/base/",
        "collector:4318",
        lambda run: run.report["targets"]["traces"].partition("/base")[1:] if run.received else run.report["targets"],
        expected=("/base", "/v1/traces"),
        default={signal: f"http://localhost:4318/v1/{signal}" for signal in ("traces", "metrics", "logs")},
        group="endpoint",
    ),
    "OTEL_EXPORTER_OTLP_PROTOCOL": Case(
        "GRPC", "http/json", receiver("trace"), expected={"grpc"}, default={"http"}, group="grpc"
    ),
    "OTEL_EXPORTER_OTLP_INSECURE": Case(
        "true", "yes", receiver("log"), expected={"grpc"}, default={"http"}, group="grpc"
    ),
    "OTEL_EXPORTER_OTLP_HEADERS": Case(
        "x-tenant=a%2Cb", "no pair", header("trace", "x-tenant"), expected="a,b", default=None
    ),
    "OTEL_EXPORTER_OTLP_COMPRESSION": Case(
        "gzip", "zip", header("log", "content-encoding"), expected="gzip", default=None
    ),
    "OTEL_EXPORTER_OTLP_TIMEOUT": Case(
        "300", "10s", timeout("traces"), expected=(0.3, True), default=(10.0, None), group="hung"
    ),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": Case(
        "{authority}", "/nowhere", receiver("trace"), expected={"https"}, default={"http"}, group="tls"
    ),
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": Case(
        "{certificate}", "/nowhere", receiver("metric"), expected={"https"}, default={"http"}, group="tls"
    ),
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": Case(
        "{key}", "/nowhere", receiver("log"), expected={"https"}, default={"http"}, group="tls"
    ),
}


def cases_of(signal: str, kind: str) -> Iterator[tuple[str, Case]]:
    """Yield the variables of the exporter that concern one signal alone."""
    prefix, lower = f"OTEL_EXPORTER_OTLP_{signal}_", signal.lower()
    yield (
        f"{prefix}ENDPOINT",
        Case(
            f"{{{lower}}}/custom/{kind}?key=1",
            "nowhere at all",
            lambda run: {(each.receiver, each.path) for each in run.of(kind)},
            expected={(lower, f"/custom/{kind}?key=1")},
            default={("http", f"/v1/{lower}")},
            group="endpoints",
        ),
    )
    right = f"x-signal={lower}"
    yield f"{prefix}HEADERS", Case(right, "x", header(kind, "x-signal"), lower, default=None, group="endpoints")
    yield (
        f"{prefix}COMPRESSION",
        Case("gzip", "zip", header(kind, "content-encoding"), expected="gzip", default=None, group="endpoints"),
    )
    yield (
        f"{prefix}TIMEOUT",
        Case("300", "10s", timeout(lower), expected=(0.3, True), default=(10.0, None), group="hung signals"),
    )
    for name, right, wrong in (("PROTOCOL", "grpc", "http/json"), ("INSECURE", "true", "1")):
        yield f"{prefix}{name}", Case(right, wrong, receiver(kind), {"grpc"}, {"http"}, group="signals grpc")
    for name, right in (("CERTIFICATE", "authority"), ("CLIENT_CERTIFICATE", "certificate"), ("CLIENT_KEY", "key")):
        case = Case(f"{{{right}}}", "/nowhere", receiver(kind), {"https"}, {"http"}, group="signals tls")
        yield f"{prefix}{name}", case


for _signal, _kind in SIGNALS.items():
    CASES.update(cases_of(_signal, _kind))

UNUSED = [variable.name for variable in OTHERS if variable.reads is None]

NAMES = {*CASES, *UNUSED}
REMEDY = re.compile(r"\b(Correct|Unset|Only gRPC takes)\b.*\.$")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def runs(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Return the run of a group, or one with all values wrong or empty; each is made once."""
    made: dict[str, Run] = {}

    def find(name: str) -> Run:
        if name not in made:
            variables, arguments = VALUES[name]
            made[name] = run_probe(tmp_path_factory.mktemp("run"), certificates, variables, arguments)
        return made[name]

    return find


def right_values(group: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the variables and the arguments of a group's run."""
    own = {name: case.right for name, case in CASES.items() if case.group == group}
    if group == "unused":
        own = dict.fromkeys(UNUSED, "anything")
    return {**GROUPS[group].variables, **own}, GROUPS[group].arguments


ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
OFF = dict.fromkeys(("traces_exporter", "metrics_exporter", "logs_exporter"), "none")
VALUES: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    **{group: right_values(group) for group in GROUPS},
    "wrong": ({name: case.wrong for name, case in CASES.items() if name != ENDPOINT}, TO_SINK),
    "empty": (dict.fromkeys(NAMES, ""), TO_SINK),
    # The arguments of the other runs beat this variable. Nothing is sent: its default may be somebody's collector.
    f"wrong {ENDPOINT}": ({ENDPOINT: CASES[ENDPOINT].wrong}, OFF),
    f"empty {ENDPOINT}": ({ENDPOINT: " "}, OFF),
}


def run_with(kind: str, name: str) -> str:
    """Return the run in which the variable *name* has this *kind* of value."""
    return f"{kind} {name}" if name == ENDPOINT else kind


class TestTheList:
    def test_is_the_package_s_own(self) -> None:
        standard = {name for name in variable_names() if name.startswith(STANDARD_PREFIX)}

        assert standard | {variable.name for variable in OTHERS} == NAMES

    def test_has_every_variable_of_the_specification(self) -> None:
        assert set(SPECIFIED.split()) - NAMES == set()


@for_each("name", sorted(CASES))
class TestAVariable:
    def test_with_a_right_value_is_honoured(self, name: str, runs: Callable[[str], Run]) -> None:
        case, run = CASES[name], runs(CASES[name].group)

        assert (run.status, run.report["problems"]) == (0, []), run.errors
        assert case.see(run) == case.expected

    def test_with_a_wrong_value_is_named_once_and_its_default_applies(
        self, name: str, runs: Callable[[str], Run]
    ) -> None:
        case, run = CASES[name], runs(run_with("wrong", name))
        problems = run.problems(name)

        assert run.status == 0, run.errors
        assert len(problems) == bool(case.wrong)
        assert all(REMEDY.search(problem) for problem in problems)
        assert case.see(run) == case.default

    def test_with_an_empty_value_counts_as_unset(self, name: str, runs: Callable[[str], Run]) -> None:
        case, run = CASES[name], runs(run_with("empty", name))

        assert (run.status, run.report["problems"]) == (0, []), run.errors
        assert case.see(run) == case.default


class TestWithoutEffect:
    @for_each("name", UNUSED)
    def test_each_is_named_once_with_what_to_do_instead(self, name: str, runs: Callable[[str], Run]) -> None:
        run = runs("unused")

        assert run.status == 0, run.errors
        assert len(run.problems(name)) == 1
        assert run.problems(name)[0].startswith(f"{name} has no effect. ")

    def test_they_change_nothing(self, runs: Callable[[str], Run]) -> None:
        run = runs("unused")

        assert run.received
        assert {each.receiver for each in run.received} == {"http"}


class TestNames:
    @for_each(
        "wrong, right",
        [
            ("OTEL_SERVICENAME", "OTEL_SERVICE_NAME"),
            ("OTEL_EXPORTER_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ("OTEL_EXPORTER_OTLP_TRACE_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            ("OTEL_BSP_MAX_BATCH_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
            ("OTEL_PYTHON_FASTAPI_EXCLUDED_URL", "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS"),
        ],
    )
    def test_a_misspelled_one_is_told_with_the_nearest(self, wrong: str, right: str) -> None:
        config = TelemetryConfig(environ={wrong: "1"})

        assert config.problems == (f"{wrong} is not a variable of OpenTelemetry: did you mean {right}?",)

    @for_each(
        "name",
        [
            "OTEL_RESOURCE_ATTRIBUTES_POD_NAME",  # OpenTelemetry's operator for Kubernetes sets these three
            "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME",
            "OTEL_NODE_IP",
            "OTEL_COLLECTOR_HOST",  # an application's own
            "OTEL_PYTHON_REQUESTS_EXCLUDED_URLS",  # other instrumentations read these
            "OTEL_PYTHON_LOG_CORRELATION",
            "OTELCOL_GRPC_PORT",
        ],
    )
    def test_somebody_else_s_is_left_alone(self, name: str) -> None:
        assert TelemetryConfig(environ={name: "1"}).problems == ()


class TestOnce:
    def test_each_problem_is_one_warning_on_the_console(self, runs: Callable[[str], Run]) -> None:
        run = runs("unused")
        said = Counter(
            problem for problem in run.report["problems"] for line in run.output.splitlines() if problem in line
        )

        assert set(said) == set(run.report["problems"])
        assert set(said.values()) == {1}


# The variables of https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
# https://opentelemetry.io/docs/specs/otel/protocol/exporter/, read in August 2026.
SPECIFIED = """
OTEL_SDK_DISABLED OTEL_ENTITIES OTEL_RESOURCE_ATTRIBUTES OTEL_SERVICE_NAME OTEL_LOG_LEVEL OTEL_PROPAGATORS
OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG OTEL_BSP_SCHEDULE_DELAY OTEL_BSP_EXPORT_TIMEOUT OTEL_BSP_MAX_QUEUE_SIZE
OTEL_BSP_MAX_EXPORT_BATCH_SIZE OTEL_BLRP_SCHEDULE_DELAY OTEL_BLRP_EXPORT_TIMEOUT OTEL_BLRP_MAX_QUEUE_SIZE
OTEL_BLRP_MAX_EXPORT_BATCH_SIZE OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_ATTRIBUTE_COUNT_LIMIT
OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_EVENT_COUNT_LIMIT
OTEL_SPAN_LINK_COUNT_LIMIT OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT OTEL_LINK_ATTRIBUTE_COUNT_LIMIT
OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT OTEL_EXPORTER_ZIPKIN_ENDPOINT
OTEL_EXPORTER_ZIPKIN_TIMEOUT OTEL_EXPORTER_ZIPKIN_PROTOCOL OTEL_EXPORTER_PROMETHEUS_HOST OTEL_EXPORTER_PROMETHEUS_PORT
OTEL_TRACES_EXPORTER OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER OTEL_METRICS_EXEMPLAR_FILTER OTEL_METRIC_EXPORT_INTERVAL
OTEL_METRIC_EXPORT_TIMEOUT OTEL_EXPERIMENTAL_CONFIG_FILE OTEL_CONFIG_FILE OTEL_EXPORTER_OTLP_ENDPOINT
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT OTEL_EXPORTER_OTLP_METRICS_ENDPOINT OTEL_EXPORTER_OTLP_LOGS_ENDPOINT
OTEL_EXPORTER_OTLP_INSECURE OTEL_EXPORTER_OTLP_TRACES_INSECURE OTEL_EXPORTER_OTLP_METRICS_INSECURE
OTEL_EXPORTER_OTLP_LOGS_INSECURE OTEL_EXPORTER_OTLP_CERTIFICATE OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE
OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE OTEL_EXPORTER_OTLP_CLIENT_KEY
OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY
OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE
OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_HEADERS
OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_EXPORTER_OTLP_METRICS_HEADERS OTEL_EXPORTER_OTLP_LOGS_HEADERS
OTEL_EXPORTER_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_TRACES_COMPRESSION OTEL_EXPORTER_OTLP_METRICS_COMPRESSION
OTEL_EXPORTER_OTLP_LOGS_COMPRESSION OTEL_EXPORTER_OTLP_TIMEOUT OTEL_EXPORTER_OTLP_TRACES_TIMEOUT
OTEL_EXPORTER_OTLP_METRICS_TIMEOUT OTEL_EXPORTER_OTLP_LOGS_TIMEOUT OTEL_EXPORTER_OTLP_PROTOCOL
OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_EXPORTER_OTLP_METRICS_PROTOCOL OTEL_EXPORTER_OTLP_LOGS_PROTOCOL
OTEL_EXPORTER_OTLP_SPAN_INSECURE OTEL_EXPORTER_OTLP_METRIC_INSECURE OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE
OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
"""
