"""Configuration: argument > environment > default, and every problem at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from whatsself_otel import ConfigError, TelemetryConfig

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

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, "15", None])
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
