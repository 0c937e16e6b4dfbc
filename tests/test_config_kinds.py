"""A value of any kind in any field gives one error of configuration with all problems, never another exception."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import for_each

from whatsself_otel import ConfigError, MaskingConfig, MaskRule, TelemetryConfig, setup_telemetry
from whatsself_otel.config import variable_names


class Hostile:
    """An object that raises at every access."""

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError("str")

    def __len__(self) -> int:
        raise RuntimeError("len")


PHONE = "+5511987654321"
WRONG_FOR_ALL: tuple[Any, ...] = (Decimal(1), object(), {1: 2}, b"bytes", Hostile(), float("nan"), [Hostile()])
SETTINGS = [field.name for field in dataclasses.fields(TelemetryConfig) if field.init]
MASKINGS = [field.name for field in dataclasses.fields(MaskingConfig)]
VARIABLES = list(variable_names())
RULES = [field.name for field in dataclasses.fields(MaskRule)]
anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(object)
    | st.builds(Hostile)
    | st.builds(Path, st.text(alphabet="ab/.\x00", max_size=9))
    | st.just(MaskRule(name="mine", pattern="x"))
    | st.just(len),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=4,
)

# Hypothesis builds its tables of characters at the first draw.
slow_at_first = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@for_each("wrong", WRONG_FOR_ALL, ids=lambda value: type(value).__name__)
class TestEveryFieldAtOnce:
    def test_of_the_telemetry_is_named(self, wrong: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            TelemetryConfig(**dict.fromkeys(SETTINGS, wrong))

        named = [problem.split()[0] for problem in caught.value.problems]
        assert sorted(named) == sorted(SETTINGS)

    def test_of_the_masking_is_named(self, wrong: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            MaskingConfig(**dict.fromkeys(MASKINGS, wrong))

        assert [problem.split()[0] for problem in caught.value.problems] == MASKINGS

    def test_of_a_rule_is_named(self, wrong: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            MaskingConfig(mask_last=9, rules=(MaskRule(**dict.fromkeys(RULES, wrong)),))

        assert len(caught.value.problems) == 1 + len(RULES)
        assert all(name in str(caught.value) for name in RULES)


class TestAnyValueAtAll:
    @slow_at_first
    @given(given=st.dictionaries(st.sampled_from(SETTINGS), anything))
    def test_of_the_telemetry_is_taken_or_is_one_error(self, given: dict[str, Any]) -> None:
        try:
            config = TelemetryConfig(**({"environ": {}} | given))
        except ConfigError as error:
            assert error.problems  # noqa: PT017 - a value that is right raises nothing
        else:
            assert [config.target(signal) for signal in ("traces", "metrics", "logs")]
            assert isinstance(config.headers_of("traces"), dict)
            assert isinstance(config.excluded_paths, tuple)

    @slow_at_first
    @given(
        given=st.dictionaries(st.sampled_from(MASKINGS), anything),
        rule=st.dictionaries(st.sampled_from(RULES), anything),
    )
    def test_of_the_masking_is_taken_or_is_one_error(self, given: dict[str, Any], rule: dict[str, Any]) -> None:
        try:
            MaskingConfig(**({"rules": (MaskRule(**({"name": "mine"} | rule)),)} | given))
        except ConfigError as error:
            assert error.problems  # noqa: PT017 - a value that is right raises nothing

    @slow_at_first
    @given(environ=st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=30)))
    def test_in_the_environment_is_taken_or_a_problem(self, environ: dict[str, str]) -> None:
        config = TelemetryConfig(environ=environ)

        assert isinstance(config.problems, tuple)
        assert [config.target(signal) for signal in ("traces", "metrics", "logs")]


class TestFiles:
    def test_may_be_given_as_text(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("s3cret", "utf-8")
        config = TelemetryConfig(bearer_token_file=str(tmp_path / "token"), environ={})  # type: ignore[arg-type]

        assert config.headers_of("logs") == {"authorization": "Bearer s3cret"}

    def test_that_are_folders_are_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="prometheus_token_file must be the path of a readable file"):
            TelemetryConfig(prometheus_token_file=tmp_path, environ={})

    def test_with_keys_that_are_too_short_are_told_with_the_rest(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("short", "utf-8")
        with pytest.raises(ConfigError) as caught:
            TelemetryConfig(pseudonym_key_file=tmp_path / "key", log_level="loud", environ={})

        assert [problem.split()[0] for problem in caught.value.problems] == ["log_level", "pseudonym_key_file"]


class TestOneText:
    """A text where a tuple is wanted would be read letter by letter."""

    @for_each("name", ["extra_keys", "allow_keys", "allow_values"])
    def test_is_an_error_that_shows_it_masked(self, name: str) -> None:
        with pytest.raises(ConfigError, match=f"{name} must be a tuple of text") as caught:
            MaskingConfig(**{name: PHONE})  # type: ignore[arg-type]

        assert "98765" not in str(caught.value)


class TestCall:
    def test_names_every_wrong_argument_and_starts_nothing(self) -> None:
        with pytest.raises(ConfigError) as caught:
            setup_telemetry("app", "engine", config="config")  # type: ignore[arg-type]

        assert [problem.split()[0] for problem in caught.value.problems] == ["app", "engine", "config"]


class TestCertificates:
    @for_each("protocol", ["http/protobuf", "grpc"])
    def test_that_are_none_stop_the_exports_and_not_the_application(self, protocol: str, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate", "utf-8")
        environ = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "ca.pem"),
            "WHATSSELF_OTEL_SHUTDOWN_TIMEOUT_S": "0.5",
            "WHATSSELF_OTEL_LOG_TO_STDOUT": "false",
        }
        with setup_telemetry(config=TelemetryConfig(environ=environ)) as telemetry:
            with telemetry.tracer.start_as_current_span("x"):
                pass
            assert not telemetry.force_flush(0.5)
