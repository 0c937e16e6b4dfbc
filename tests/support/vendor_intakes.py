"""
What each vendor's own documentation says of its OTLP intake: the other side of ``collector/vendors``.

Written from the vendors' pages as they are stored in public corpora (no live page was at hand), never from the YAML.
A size is what one request may hold before compression; where a page gives none, it is the 4 MB that OTLP receivers
commonly take. A header that a page only offers stands here where data would be lost or misread without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRACES, _METRICS, _LOGS = "traces", "metrics", "logs"
_STANDARD = {_TRACES: "/v1/traces", _METRICS: "/v1/metrics", _LOGS: "/v1/logs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What one vendor checks of a request."""

    page: str
    checked: str = "2026-11-26"
    base: str = ""
    """The path below which its endpoint lies, as its page has it."""
    paths: Mapping[str, str] = field(default_factory=lambda: _STANDARD)
    """Signal -> path below the base; a signal without one is not taken."""
    environ: Mapping[str, str]
    """An operator's settings; ``{url}`` is the vendor's server."""
    headers: Mapping[str, str] = field(default_factory=dict)
    headers_by_signal: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    temporality: Literal["delta", "delta histograms", "any"] = "any"
    limit_bytes: int = 4_000_000
    limit_bytes_by_signal: Mapping[str, int] = field(default_factory=dict)
    remote_write: bool = False
    """Whether metrics come by Prometheus remote write instead of OTLP."""
    signed_for: Mapping[str, str] = field(default_factory=dict)
    """Signal -> AWS's name of the service that a request is signed for."""

    def wanted(self, signal: str) -> dict[str, str]:
        """Return the headers of a request of *signal*."""
        return {**self.headers, **self.headers_by_signal.get(signal, {})}

    def limit(self, signal: str) -> int:
        """Return how many bytes a request of *signal* may have before compression."""
        return self.limit_bytes_by_signal.get(signal, self.limit_bytes)


AWS_KEYS = {"AWS_REGION": "sa-east-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests"}
"""The region, and the keys as AWS's own programs look for them."""

INTAKES = {
    "alloy": Intake(
        page="https://grafana.com/docs/alloy/latest/reference/components/otelcol/otelcol.receiver.otlp",
        checked="2026-11-30",
        environ={"ALLOY_OTLP_ENDPOINT": "{url}"},
    ),
    "aws": Intake(
        page="https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-OTLPEndpoint.html",
        environ={
            **{f"AWS_{kind}_ENDPOINT": "{url}" for kind in ("XRAY", "MONITORING", "LOGS")},
            **AWS_KEYS,
            "AWS_LOG_GROUP": "shop",
            "AWS_LOG_STREAM": "whatsself",
        },
        headers_by_signal={_LOGS: {"x-aws-log-group": "shop", "x-aws-log-stream": "whatsself"}},
        limit_bytes_by_signal={_TRACES: 5_000_000, _LOGS: 1_000_000},
        signed_for={_TRACES: "xray", _METRICS: "monitoring", _LOGS: "logs"},
    ),
    "aws-prometheus": Intake(
        page="https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-APIReference-RemoteWrite.html",
        checked="2026-11-30",
        paths={_METRICS: "/workspaces/ws-1/api/v1/remote_write"},
        environ={"AWS_PROMETHEUS_ENDPOINT": "{url}", "AWS_PROMETHEUS_WORKSPACE": "ws-1", **AWS_KEYS},
        remote_write=True,
        signed_for={_METRICS: "aps"},
    ),
    "axiom": Intake(
        page="https://axiom.co/docs/send-data/opentelemetry",
        environ={
            "AXIOM_ENDPOINT": "{url}",
            "AXIOM_TOKEN": "xaat-1",
            "AXIOM_TRACES_DATASET": "t",
            "AXIOM_METRICS_DATASET": "m",
            "AXIOM_LOGS_DATASET": "l",
        },
        headers={"authorization": "Bearer xaat-1"},
        headers_by_signal={
            _TRACES: {"x-axiom-dataset": "t"},
            _METRICS: {"x-axiom-metrics-dataset": "m"},
            _LOGS: {"x-axiom-dataset": "l"},
        },
    ),
    "better-stack": Intake(
        page="https://betterstack.com/docs/logs/open-telemetry",
        environ={"BETTER_STACK_ENDPOINT": "{url}", "BETTER_STACK_SOURCE_TOKEN": "src1"},
        headers={"authorization": "Bearer src1"},
    ),
    "chronosphere": Intake(
        page="https://docs.chronosphere.io/ingest/metrics-traces/otel/otlp-endpoints",
        checked="2026-11-30",
        base="/data/opentelemetry",
        environ={"CHRONOSPHERE_ENDPOINT": "{url}/data/opentelemetry", "CHRONOSPHERE_API_TOKEN": "chr-1"},
        headers={"api-token": "chr-1"},
    ),
    "clickhouse": Intake(
        page="https://clickhouse.com/docs/use-cases/observability/clickstack/ingesting-data/opentelemetry",
        environ={"CLICKSTACK_ENDPOINT": "{url}", "CLICKSTACK_API_KEY": "ing-1"},
        headers={"authorization": "ing-1"},
    ),
    "clickstack-self-hosted": Intake(
        page="https://clickhouse.com/docs/use-cases/observability/clickstack/ingesting-data/otel-collector",
        checked="2026-11-30",
        environ={"CLICKSTACK_OTLP_ENDPOINT": "{url}"},
    ),
    "coralogix": Intake(
        # The page of endpoints, that of limitations, and the tutorials, which call both names mandatory.
        page="https://coralogix.com/docs/developer-portal/apis/limitations",
        environ={"CORALOGIX_ENDPOINT": "{url}", "CORALOGIX_DOMAIN": "eu1.coralogix.com", "CORALOGIX_PRIVATE_KEY": "c1"},
        headers={"authorization": "Bearer c1", "cx-application-name": "whatsself", "cx-subsystem-name": "whatsself"},
        limit_bytes=10_000_000,
    ),
    "dash0": Intake(
        page="https://www.dash0.com/hub/integrations/int_otlp/overview",
        environ={"DASH0_ENDPOINT": "{url}", "DASH0_AUTH_TOKEN": "auth_1", "DASH0_DATASET": "shop"},
        headers={"authorization": "Bearer auth_1", "dash0-dataset": "shop"},
    ),
    "datadog": Intake(
        page="https://docs.datadoghq.com/opentelemetry/setup/otlp_ingest/metrics",
        environ={"DD_OTLP_ENDPOINT": "{url}", "DD_API_KEY": "dd-1"},
        headers={"dd-api-key": "dd-1"},
        headers_by_signal={
            _TRACES: {"compute_stats": "true"},
            _METRICS: {"dd-otel-metric-config": '{"resource_attributes_as_tags": true}'},
        },
        temporality="delta",
        limit_bytes_by_signal={_TRACES: 3_200_000, _METRICS: 5_000_000},
    ),
    "datadog-agent": Intake(
        page="https://docs.datadoghq.com/opentelemetry/guide/otlp_delta_temporality",
        checked="2026-11-30",
        environ={"DD_AGENT_OTLP_ENDPOINT": "{url}"},
        temporality="delta",
    ),
    "dynatrace": Intake(
        page="https://docs.dynatrace.com/docs/discover-dynatrace/references/dynatrace-api/environment-api/opentelemetry/post-metrics",
        base="/api/v2/otlp",
        environ={"DYNATRACE_OTLP_ENDPOINT": "{url}/api/v2/otlp", "DYNATRACE_API_TOKEN": "dt0c01.1"},
        headers={"authorization": "Api-Token dt0c01.1"},
        temporality="delta",
        limit_bytes_by_signal={_TRACES: 8_000_000, _METRICS: 4_000_000, _LOGS: 2_000_000},
    ),
    "elastic": Intake(
        page="https://www.elastic.co/docs/reference/opentelemetry/motlp",
        environ={"ELASTIC_OTLP_ENDPOINT": "{url}", "ELASTIC_API_KEY": "ZXM6MQ=="},
        headers={"authorization": "ApiKey ZXM6MQ=="},
        # Its limitations, of the time before 9.5.3: cumulative histograms are dropped, of sums nothing is said.
        temporality="delta histograms",
    ),
    "grafana-cloud": Intake(
        page="https://grafana.com/docs/grafana-cloud/send-data/otlp/send-data-otlp",
        base="/otlp",
        environ={"GRAFANA_CLOUD_OTLP_ENDPOINT": "{url}/otlp", "GRAFANA_CLOUD_BASIC_AUTH": "MTIzOmdsYw=="},
        headers={"authorization": "Basic MTIzOmdsYw=="},
    ),
    "groundcover": Intake(
        page="https://docs.groundcover.com/architecture/byoc/ingestion-endpoints",
        checked="2026-11-30",
        environ={"GROUNDCOVER_ENDPOINT": "{url}", "GROUNDCOVER_INGESTION_KEY": "gc-1"},
        headers={"apikey": "gc-1"},
    ),
    "honeycomb": Intake(
        page="https://docs.honeycomb.io/send-data/opentelemetry/collector",
        environ={"HONEYCOMB_ENDPOINT": "{url}", "HONEYCOMB_API_KEY": "hcaik_1"},
        headers={"x-honeycomb-team": "hcaik_1"},
        headers_by_signal={_METRICS: {"x-honeycomb-dataset": "whatsself-metrics"}},
    ),
    "instana": Intake(
        page="https://www.ibm.com/docs/en/SSE1JP5/src/pages/ecosystem/opentelemetry/instana-backend.html",
        checked="2026-11-30",
        environ={"INSTANA_OTLP_ENDPOINT": "{url}", "INSTANA_AGENT_KEY": "in-1", "INSTANA_HOST": "shop-1"},
        headers={"x-instana-key": "in-1", "x-instana-host": "shop-1"},
    ),
    "last9": Intake(
        page="https://github.com/last9/opentelemetry-examples",
        checked="2026-11-30",
        environ={"LAST9_OTLP_ENDPOINT": "{url}", "LAST9_BASIC_AUTH": "bGFzdDk6MQ=="},
        headers={"authorization": "Basic bGFzdDk6MQ=="},
    ),
    "logfire": Intake(
        page="https://logfire.pydantic.dev/docs/how-to-guides/alternative-clients",
        environ={"LOGFIRE_ENDPOINT": "{url}", "LOGFIRE_TOKEN": "pylf_1"},
        headers={"authorization": "pylf_1"},
    ),
    "logz-io": Intake(
        page="https://docs.logz.io/docs/shipping/code/http",
        checked="2026-11-30",
        paths={_TRACES: "/v1/traces", _LOGS: "/v1/logs", _METRICS: "/"},
        environ={
            "LOGZIO_OTLP_ENDPOINT": "{url}",
            "LOGZIO_METRICS_ENDPOINT": "{url}/",
            "LOGZIO_TRACES_TOKEN": "lzt-1",
            "LOGZIO_LOGS_TOKEN": "lzl-1",
            "LOGZIO_METRICS_TOKEN": "lzm-1",
        },
        headers_by_signal={
            _TRACES: {"authorization": "Bearer lzt-1"},
            _LOGS: {"authorization": "Bearer lzl-1"},
            _METRICS: {"authorization": "Bearer lzm-1"},
        },
        remote_write=True,
    ),
    "middleware": Intake(
        page="https://docs.middleware.io/open-telemetry/otel-getting-started",
        checked="2026-11-30",
        environ={"MIDDLEWARE_ENDPOINT": "{url}", "MIDDLEWARE_API_KEY": "mw-1"},
        headers={"authorization": "mw-1"},
    ),
    "new-relic": Intake(
        page="https://docs.newrelic.com/docs/opentelemetry/best-practices/opentelemetry-otlp",
        environ={"NEW_RELIC_OTLP_ENDPOINT": "{url}", "NEW_RELIC_LICENSE_KEY": "nr-1"},
        headers={"api-key": "nr-1"},
        temporality="delta",
        limit_bytes=1_000_000,
    ),
    "openobserve": Intake(
        page="https://openobserve.ai/docs/ingestion/logs/otlp",
        base="/api/shop",
        environ={"OPENOBSERVE_ENDPOINT": "{url}/api/shop", "OPENOBSERVE_BASIC_AUTH": "bWU6cHc="},
        headers={"authorization": "Basic bWU6cHc=", "stream-name": "default"},
    ),
    "oracle-cloud": Intake(
        page="https://docs.oracle.com/en-us/iaas/application-performance-monitoring/doc/configure-opentelemetry.html",
        checked="2026-11-30",
        base="/20200101/opentelemetry",
        paths={_TRACES: "/private/v1/traces", _METRICS: "/v1/metrics"},
        environ={"OCI_APM_ENDPOINT": "{url}", "OCI_APM_PRIVATE_KEY": "oci-1"},
        headers={"authorization": "dataKey oci-1"},
    ),
    "otlp": Intake(
        page="https://opentelemetry.io/docs/specs/otlp",
        checked="2026-11-23",
        environ={"OTLP_ENDPOINT": "{url}", "OTLP_HEADERS": '{authorization: "Bearer abc=", x-tenant: shop}'},
        headers={"authorization": "Bearer abc=", "x-tenant": "shop"},
    ),
    "prometheus-remote-write": Intake(
        page="https://prometheus.io/docs/specs/prw/remote_write_spec",
        checked="2026-11-30",
        paths={_METRICS: "/api/v1/write"},
        environ={
            "PROMETHEUS_REMOTE_WRITE_ENDPOINT": "{url}/api/v1/write",
            "PROMETHEUS_REMOTE_WRITE_HEADERS": '{authorization: "Bearer prw-1", x-scope-orgid: shop}',
        },
        headers={"authorization": "Bearer prw-1", "x-scope-orgid": "shop"},
        remote_write=True,
    ),
    "sentry": Intake(
        page="https://docs.sentry.io/concepts/otlp",
        base="/api/42/integration/otlp",
        paths={_TRACES: "/v1/traces", _LOGS: "/v1/logs"},
        environ={"SENTRY_OTLP_ENDPOINT": "{url}/api/42/integration/otlp", "SENTRY_KEY": "a1b2"},
        headers={"x-sentry-auth": "sentry sentry_key=a1b2"},
    ),
    "signoz": Intake(
        page="https://signoz.io/docs/ingestion/signoz-cloud/overview",
        environ={"SIGNOZ_ENDPOINT": "{url}", "SIGNOZ_INGESTION_KEY": "sn-1"},
        headers={"signoz-ingestion-key": "sn-1"},
    ),
    "signoz-self-hosted": Intake(
        page="https://signoz.io/docs/ingestion/self-hosted/overview",
        checked="2026-11-30",
        environ={"SIGNOZ_OTLP_ENDPOINT": "{url}"},
    ),
    "splunk": Intake(
        page="https://help.splunk.com/splunk-observability-cloud/manage-data/splunk-distribution-of-the-opentelemetry-collector/get-started-with-the-splunk-distribution-of-the-opentelemetry-collector/collector-components/exporters/otlphttp-exporter",
        paths={_TRACES: "/v2/trace/otlp", _METRICS: "/v2/datapoint/otlp"},
        environ={"SPLUNK_INGEST_URL": "{url}", "SPLUNK_REALM": "us1", "SPLUNK_ACCESS_TOKEN": "sf-1"},
        headers={"x-sf-token": "sf-1"},
    ),
    "sumo-logic": Intake(
        page="https://www.sumologic.com/help/docs/send-data/hosted-collectors/http-source/otlp",
        checked="2026-11-30",
        base="/receiver/v1/otlp/key-1",
        environ={"SUMO_LOGIC_OTLP_URL": "{url}/receiver/v1/otlp/key-1"},
    ),
    "uptrace": Intake(
        page="https://uptrace.dev/ingest/collector",
        environ={"UPTRACE_ENDPOINT": "{url}", "UPTRACE_DSN": "https://tok@api.uptrace.dev?grpc=4317"},
        headers={"uptrace-dsn": "https://tok@api.uptrace.dev?grpc=4317"},
        temporality="delta",
    ),
    "victoria": Intake(
        page="https://docs.victoriametrics.com/victoriametrics/data-ingestion/opentelemetry-collector",
        paths={
            _TRACES: "/insert/opentelemetry/v1/traces",
            _METRICS: "/opentelemetry/v1/metrics",
            _LOGS: "/insert/opentelemetry/v1/logs",
        },
        environ={f"VICTORIA_{kind}_URL": "{url}" for kind in ("METRICS", "LOGS", "TRACES")},
        headers_by_signal={_LOGS: {"vl-stream-fields": "service.name,service.namespace,deployment.environment.name"}},
    ),
}
