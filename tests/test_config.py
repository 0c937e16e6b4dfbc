"""Configuration: argument > environment > default, and every problem at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rows import for_each

from whatsself_otel import ConfigError, LimitsConfig, MaskingConfig, OtlpConfig, TelemetryConfig

if TYPE_CHECKING:
    from pathlib import Path


class TestPrecedence:
    def test_the_default_applies_when_nothing_is_said(self) -> None:
        assert TelemetryConfig(environ={}).service_name == "whatsself"

    def test_the_environment_beats_the_default(self) -> None:
        assert TelemetryConfig(environ={"OTEL_SERVICE_NAME": "shop"}).service_name == "shop"

    def test_an_argument_beats_the_environment(self) -> None:
        config = TelemetryConfig(service_name="bar", environ={"OTEL_SERVICE_NAME": "shop"})

        assert config.service_name == "bar"

    def test_an_argument_beats_the_environment_even_when_it_equals_the_default(self) -> None:
        config = TelemetryConfig(metric_interval_s=15, environ={"OTEL_METRIC_EXPORT_INTERVAL": "60000"})

        assert config.metric_interval_s == 15

    def test_an_empty_variable_counts_as_unset(self) -> None:
        config = TelemetryConfig(environ={"OTEL_SERVICE_NAME": " "})

        assert (config.service_name, config.problems) == ("whatsself", ())

    def test_timeouts_of_the_standard_variables_are_milliseconds(self) -> None:
        config = TelemetryConfig(environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "2500", "OTEL_BSP_SCHEDULE_DELAY": "100"})

        assert (config.export_timeout_s, config.span_delay_s) == (2.5, 0.1)

    def test_sdk_disabled_turns_everything_off(self) -> None:
        assert not TelemetryConfig(environ={"OTEL_SDK_DISABLED": "true"}).enabled

    def test_headers_are_parsed_and_decoded(self) -> None:
        config = TelemetryConfig(environ={"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20t==,x-a=1"})

        assert config.headers == {"authorization": "Bearer t==", "x-a": "1"}


class TestArguments:
    def test_every_problem_is_reported_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            TelemetryConfig(
                protocol="http/json",
                metric_interval_s=0,
                endpoint="localhost:4318",
                span_queue_size=True,
                certificate_file=tmp_path / "absent.pem",
                environ={},
            )

        assert [problem.split()[0] for problem in caught.value.problems] == [
            "endpoint",
            "protocol",
            "certificate_file",
            "metric_interval_s",
            "span_queue_size",
        ]

    def test_an_environment_that_is_none_is_named(self) -> None:
        wrong: Any = {"OTEL_SERVICE_NAME": 5}
        with pytest.raises(ConfigError, match=r"environ must map text to text, as os\.environ does, got dict\."):
            TelemetryConfig(environ=wrong)

    def test_a_problem_names_the_rule_and_the_value(self) -> None:
        with pytest.raises(ConfigError) as caught:
            TelemetryConfig(log_level="loud", environ={})

        assert caught.value.problems == (
            "log_level must be one of trace, debug, info, warn, error, fatal, got 'loud'.",
        )

    def test_a_phone_in_a_wrong_value_is_masked(self) -> None:
        with pytest.raises(ConfigError) as caught:
            TelemetryConfig(endpoint="+5511987654321", environ={})

        assert "987654321" not in str(caught.value)

    @for_each("value", [float("nan"), float("inf"), -1, "15", None])
    def test_seconds_must_be_a_finite_positive_number(self, value: Any) -> None:
        with pytest.raises(ConfigError, match="metric_interval_s must be a number of seconds above 0, at most 3600"):
            TelemetryConfig(metric_interval_s=value, environ={})


class TestEnvironment:
    def test_a_wrong_variable_is_a_problem_and_the_default_applies(self) -> None:
        config = TelemetryConfig(environ={"OTEL_METRIC_EXPORT_INTERVAL": "soon"})

        assert config.metric_interval_s == 15
        assert config.problems == (
            (
                "OTEL_METRIC_EXPORT_INTERVAL must be a whole number of milliseconds from 1 to 3600000, got 'soon'; "
                "15000 is used instead. Correct the variable or unset it."
            ),
        )

    def test_an_unknown_variable_of_ours_is_reported_with_the_nearest_known_one(self) -> None:
        config = TelemetryConfig(environ={"WHATSSELF_OTEL_ENVIROMENT": "production"})

        assert config.problems == (
            "WHATSSELF_OTEL_ENVIROMENT is not a variable of whatsself_otel: did you mean WHATSSELF_OTEL_ENVIRONMENT?",
        )

    def test_all_problems_are_kept(self) -> None:
        config = TelemetryConfig(
            environ={"OTEL_EXPORTER_OTLP_ENDPOINT": "nowhere", "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"}
        )

        assert len(config.problems) == 2

    def test_a_key_file_that_cannot_be_read_is_a_problem_not_an_exception(self) -> None:
        config = TelemetryConfig(environ={"WHATSSELF_OTEL_PSEUDONYM_KEY_FILE": "/nonexistent/key"})

        assert len(config.problems) == 1


class TestSecrets:
    def test_headers_never_show_in_repr(self) -> None:
        assert "s3cret" not in repr(TelemetryConfig(headers={"authorization": "Bearer s3cret"}, environ={}))

    def test_wrong_headers_never_show_in_the_error(self) -> None:
        with pytest.raises(ConfigError) as caught:
            TelemetryConfig(headers={"bad name": "s3cret"}, environ={})

        assert "s3cret" not in str(caught.value)


class TestTargets:
    def test_http_appends_the_signal(self) -> None:
        config = TelemetryConfig(endpoint="http://collector:4318/", environ={})

        assert config.target("traces") == "http://collector:4318/v1/traces"

    def test_grpc_does_not(self) -> None:
        assert TelemetryConfig(protocol="grpc", environ={}).target("logs") == "http://localhost:4317"

    def test_a_signal_may_have_its_own(self) -> None:
        config = TelemetryConfig(environ={"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://loki:3100/otlp/v1/logs"})

        assert config.target("logs") == "http://loki:3100/otlp/v1/logs"


class TestBearerToken:
    @pytest.fixture
    def token(self, tmp_path: Path) -> Path:
        (tmp_path / "token").write_text("s3cret\n", "utf-8")
        return tmp_path / "token"

    @pytest.mark.parametrize(
        "endpoint", ["https://collector:4318", "http://localhost:4318", "http://127.0.0.1:4318", "http://[::1]:4318"]
    )
    def test_is_read_from_its_file(self, token: Path, endpoint: str) -> None:
        config = TelemetryConfig(endpoint=endpoint, bearer_token_file=token, headers={"x-tenant": "shop"}, environ={})

        assert config.headers_of("logs") == {"x-tenant": "shop", "authorization": "Bearer s3cret"}
        assert "s3cret" not in repr(config)

    @pytest.mark.parametrize("endpoint", ["http://collector:4318", "http://127.0.0.1.example.com:4318"])
    def test_is_refused_without_tls_beyond_this_machine(self, token: Path, endpoint: str) -> None:
        with pytest.raises(ConfigError, match="bearer_token_file needs https, got "):
            TelemetryConfig(endpoint=endpoint, bearer_token_file=token, environ={})

    def test_from_the_environment_is_a_problem_and_stays_at_home(self, token: Path) -> None:
        environ = {
            "WHATSSELF_OTEL_BEARER_TOKEN_FILE": str(token),
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://x/v1/logs",
        }
        config = TelemetryConfig(endpoint="https://collector:4318", environ=environ)

        assert config.headers_of("logs") == {}
        assert [problem for problem in config.problems if "needs https, got x:" in problem]


class TestTheStricter:
    """No argument opens what an operator closed by a variable."""

    @for_each(
        "masking, shown",
        [
            (MaskingConfig(extra_keys=("order_note",)), 0),
            (MaskingConfig(mask_last=4), 0),
            (MaskingConfig(mask_last=0), 0),
        ],
    )
    def test_digits_of_a_phone_stay_hidden_whatever_masking_is_given(self, masking: MaskingConfig, shown: int) -> None:
        config = TelemetryConfig(masking=masking, environ={"WHATSSELF_OTEL_MASK_LAST": "0"})

        assert (config.masking_rules.mask_last, config.mask_last) == (shown, shown)
        assert config.masking_rules.extra_keys == masking.extra_keys

    def test_an_argument_beside_masking_hides_them_too(self) -> None:
        assert TelemetryConfig(masking=MaskingConfig(), mask_last=0, environ={}).masking_rules.mask_last == 0

    def test_masking_may_hide_more_than_the_variable(self) -> None:
        config = TelemetryConfig(masking=MaskingConfig(mask_last=1), environ={"WHATSSELF_OTEL_MASK_LAST": "3"})

        assert config.masking_rules.mask_last == 1

    def test_a_wrong_value_is_told_without_any_digit(self) -> None:
        config = TelemetryConfig(environ={"OTEL_TRACES_SAMPLER": "+5511987654321"})

        assert "4321" not in config.problems[0]

    @for_each(
        "field, variable, text, argument, effective",
        [
            ("mask_last", "WHATSSELF_OTEL_MASK_LAST", "1", 4, 1),
            ("mask_last", "WHATSSELF_OTEL_MASK_LAST", "4", 1, 1),
            ("enabled", "OTEL_SDK_DISABLED", "true", True, False),
            ("traces_exporter", "OTEL_TRACES_EXPORTER", "none", "otlp", "none"),
            ("metrics_exporter", "OTEL_METRICS_EXPORTER", "none", "console", "none"),
            ("logs_exporter", "OTEL_LOGS_EXPORTER", "console", "otlp", "otlp"),
            ("log_to_stdout", "WHATSSELF_OTEL_LOG_TO_STDOUT", "false", True, False),
            ("prometheus", "WHATSSELF_OTEL_PROMETHEUS", "false", True, False),
            ("return_trace_id", "WHATSSELF_OTEL_RETURN_TRACE_ID", "false", True, False),
            ("propagators", "OTEL_PROPAGATORS", "none", ("tracecontext", "baggage"), ("none",)),
        ],
    )
    def test_of_argument_and_variable_counts(
        self, field: str, variable: str, text: str, argument: Any, effective: Any
    ) -> None:
        config = TelemetryConfig(**{field: argument}, environ={variable: text})

        assert getattr(config, field) == effective
        assert config.problems == ()

    @for_each(
        "argument, variable, both",
        [
            (("*",), "api.example.com", ("api.example.com",)),
            (("api.example.com", "other.org"), ".example.com", ("api.example.com",)),
            ((".example.com",), "api.example.com,.internal", ("api.example.com",)),
            ((".a.example.com",), ".example.com", (".a.example.com",)),
            (("other.org",), "api.example.com", ()),
        ],
    )
    def test_only_hosts_that_both_name_see_the_trace_context(
        self, argument: tuple[str, ...], variable: str, both: tuple[str, ...]
    ) -> None:
        environ = {"WHATSSELF_OTEL_TRACE_CONTEXT_HOSTS": variable}

        assert TelemetryConfig(trace_context_hosts=argument, environ=environ).trace_context_hosts == both

    def test_a_misspelled_host_lets_nobody_else_see_it(self) -> None:
        some = TelemetryConfig(environ={"WHATSSELF_OTEL_TRACE_CONTEXT_HOSTS": "api.example.com,b a d"})
        none = TelemetryConfig(environ={"WHATSSELF_OTEL_TRACE_CONTEXT_HOSTS": "b a d"})

        assert (some.trace_context_hosts, none.trace_context_hosts) == (("api.example.com",), ())
        assert "left out: 'b a d'" in some.problems[0]

    def test_none_as_an_argument_undoes_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("s3cret", "utf-8")
        environ = {"WHATSSELF_OTEL_PROMETHEUS_TOKEN_FILE": str(tmp_path / "token")}

        assert TelemetryConfig(prometheus_token_file=None, environ=environ).prometheus_token_file is not None

    def test_a_key_file_stays_beside_masking(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("k" * 16, "utf-8")
        environ = {"WHATSSELF_OTEL_PSEUDONYM_KEY_FILE": str(tmp_path / "key")}
        config = TelemetryConfig(masking=MaskingConfig(extra_keys=("order_note",)), environ=environ)

        assert config.masking_rules.pseudonym_key_file == tmp_path / "key"


class TestOneSignal:
    def test_takes_its_own_before_the_general_and_arguments_before_variables(self) -> None:
        environ = {
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2000",
            "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "3000",
        }
        config = TelemetryConfig(traces_otlp=OtlpConfig(export_timeout_s=4), environ=environ)

        found = [config.otlp(signal).export_timeout_s for signal in ("traces", "metrics", "logs")]
        assert found == [4, 1.0, 3.0]

    def test_has_headers_in_place_of_the_general_ones(self) -> None:
        config = TelemetryConfig(headers={"x": "1"}, logs_otlp=OtlpConfig(headers={"Y": "2"}), environ={})

        assert (config.headers_of("traces"), config.headers_of("logs")) == ({"x": "1"}, {"y": "2"})

    def test_with_a_wrong_argument_says_so_at_once(self) -> None:
        with pytest.raises(ConfigError, match="protocol must be one of http/protobuf, grpc, got 'carrier'"):
            OtlpConfig(protocol="carrier")

    @for_each("field, kind", [("traces_otlp", "an OtlpConfig"), ("limits", "a LimitsConfig")])
    def test_of_another_kind_is_named(self, field: str, kind: str) -> None:
        wrong: Any = {field: {"headers": {}}}
        with pytest.raises(ConfigError, match=f"{field} must be {kind}, got dict"):
            TelemetryConfig(**wrong, environ={})

    def test_limits_given_in_part_leave_the_rest_to_variables(self) -> None:
        config = TelemetryConfig(
            limits=LimitsConfig(span_events=5),
            environ={"OTEL_SPAN_LINK_COUNT_LIMIT": "6", "OTEL_SPAN_EVENT_COUNT_LIMIT": "7"},
        )

        assert (config.limits.span_events, config.limits.span_links) == (5, 6)


class TestEndpointTexts:
    def test_a_query_stays_behind_the_path(self) -> None:
        config = TelemetryConfig(endpoint="http://c:4318/base/?key=1", environ={})

        assert config.target("logs") == "http://c:4318/base/v1/logs?key=1"

    @for_each("protocol", ["http/protobuf", "grpc"])
    def test_credentials_become_a_header_and_are_shown_nowhere(self, protocol: str) -> None:
        config = TelemetryConfig(endpoint="https://me:s3%40cret@c:4318", protocol=protocol, environ={})

        assert config.headers_of("traces") == {"authorization": "Basic bWU6czNAY3JldA=="}
        assert "@" not in config.target("traces")
        assert "s3%40cret" not in repr(config)
        assert "s3@cret" not in repr(config)

    def test_credentials_go_to_their_own_host_only(self) -> None:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:secret@one:4318",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://two/v1/logs",
        }
        config = TelemetryConfig(environ=environ)

        assert ("authorization" in config.headers_of("traces"), config.headers_of("logs")) == (True, {})

    def test_a_header_of_authorization_comes_before_them(self) -> None:
        config = TelemetryConfig(endpoint="https://me:secret@c", headers={"Authorization": "Bearer t"}, environ={})

        assert config.headers_of("traces") == {"authorization": "Bearer t"}

    @for_each(
        "text, insecure, url",
        [
            ("collector:4317", "true", "http://collector:4317"),
            ("collector:4317", "false", "https://collector:4317"),
            ("collector", "", "https://collector"),
            ("[::1]:4317", "true", "http://[::1]:4317"),
            ("http://collector:4317", "false", "http://collector:4317"),
            ("https://collector:4317", "true", "https://collector:4317"),
        ],
    )
    def test_without_a_scheme_insecure_decides_for_grpc(self, text: str, insecure: str, url: str) -> None:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": text, "OTEL_EXPORTER_OTLP_INSECURE": insecure}
        config = TelemetryConfig(protocol="grpc", environ=environ)

        assert (config.target("logs"), config.problems) == (url, ())

    @for_each(
        "protocol, text, ignored",
        [
            ("grpc", "http://c:4317/v1/traces?a=b#c", "/v1/traces?a=b#c"),
            ("http/protobuf", "http://c:4318#part", "#part"),
        ],
    )
    def test_what_nothing_uses_is_named(self, protocol: str, text: str, ignored: str) -> None:
        config = TelemetryConfig(protocol=protocol, environ={"OTEL_EXPORTER_OTLP_ENDPOINT": text})

        problem = f"OTEL_EXPORTER_OTLP_ENDPOINT has '{ignored}', which has no effect. Remove it."
        assert config.problems == (problem,)


class TestHeaders:
    def test_a_bad_pair_is_left_out_and_named_by_its_place(self) -> None:
        config = TelemetryConfig(environ={"OTEL_EXPORTER_OTLP_HEADERS": "a=1,s3cret,b=x%2Cy"})

        assert config.headers == {"a": "1", "b": "x,y"}
        assert "left out: pair 2." in config.problems[0]
        assert "s3cret" not in config.problems[0]

    @for_each("name", ["content-type", "TE", "User-Agent", "grpc-timeout"])
    def test_none_takes_the_place_of_the_exporter_s_own(self, name: str) -> None:
        config = TelemetryConfig(environ={"OTEL_EXPORTER_OTLP_HEADERS": f"{name}=x,y=1"})

        assert config.headers == {"y": "1"}
        with pytest.raises(ConfigError, match="headers must be header names"):
            TelemetryConfig(headers={name: "x"}, environ={})


class TestResourceAttributes:
    @for_each(
        "arguments, environ, found",
        [
            ({}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a"}, "a"),
            ({}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a", "OTEL_SERVICE_NAME": "b"}, "b"),
            ({"service_name": "c"}, {"OTEL_SERVICE_NAME": "b"}, "c"),
            ({"resource_attributes": {"service.name": "d"}}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a"}, "d"),
        ],
    )
    def test_name_the_service_where_nothing_more_special_does(
        self, arguments: Any, environ: dict[str, str], found: str
    ) -> None:
        assert TelemetryConfig(**arguments, environ=environ).service_name == found

    @for_each("name", ["deployment.environment.name", "deployment.environment"])
    def test_name_the_environment_by_its_old_name_too(self, name: str) -> None:
        environ = {"OTEL_RESOURCE_ATTRIBUTES": f"{name}=production"}

        assert TelemetryConfig(environ=environ).environment == "production"


class TestBatches:
    def test_are_no_larger_than_their_queue(self) -> None:
        assert TelemetryConfig(span_queue_size=100, environ={}).span_batch_size == 100

    def test_that_are_asked_to_be_so_are_named(self) -> None:
        environ = {"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "20"}
        config = TelemetryConfig(environ=environ)

        problem = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must be at most the size of its queue, 10, got 20. Lower it."
        assert (config.span_batch_size, config.problems) == (10, (problem,))

    def test_a_timeout_of_zero_is_the_longest(self) -> None:
        assert TelemetryConfig(environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "0"}).export_timeout_s == 600
