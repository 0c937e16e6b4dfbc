"""docs/configuration.md agrees with the dataclasses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import generate_configuration
import pytest

from whatsself_otel import TelemetryConfig
from whatsself_otel._environment import FOREIGN_OWN_VARIABLES, OTHERS
from whatsself_otel.config import LimitsConfig, OtlpConfig, variable_names

PAGE = Path(__file__).parent.parent.parent / "docs" / "configuration.md"


class TestPage:
    def test_is_what_the_code_says(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert generate_configuration.main(["--check"]) == 0, capsys.readouterr().out

    def test_is_found_stale_when_it_is(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert generate_configuration.main([], tmp_path) == 0
        page = tmp_path / PAGE.name
        page.write_text(page.read_text(encoding="utf-8").replace("`8192`", "`8193`"), encoding="utf-8")

        assert generate_configuration.main(["--check"], tmp_path) == 1
        assert "make generate" in capsys.readouterr().out

    def test_names_every_field_and_every_variable(self) -> None:
        text = PAGE.read_text(encoding="utf-8")
        kinds = (TelemetryConfig, OtlpConfig, LimitsConfig)
        fields = [field.name for kind in kinds for field in dataclasses.fields(kind) if field.init]
        variables = [*variable_names(), *(other.name for other in OTHERS)]

        assert [name for name in (*fields, *variables) if f"`{name}`" not in text] == []
        assert [name for name in FOREIGN_OWN_VARIABLES if name not in text] == []


class TestFieldDocs:
    def test_a_field_without_a_sentence_is_refused_by_name(self) -> None:
        with pytest.raises(ValueError, match="no docstring literal under silent"):
            generate_configuration.field_docs(_Undocumented)


@dataclass
class _Undocumented:
    told: int = 1
    """It has one."""
    silent: int = 2
