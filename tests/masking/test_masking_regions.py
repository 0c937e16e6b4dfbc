"""National numbers of the countries that a business names."""

from __future__ import annotations

import phonenumbers
import pytest
from masking_records import kept
from rows import for_each

from whatsself_otel import ConfigError, Masker, MaskingConfig, TelemetryConfig
from whatsself_otel.masking.regions import calling_codes

NATIONAL = {
    "FR": ("06 12 34 56 78", "0612345678", "06.12.34.56.78"),
    "PT": ("912 345 678", "912345678", "21 234 5678"),
    "US": ("(415) 555-2671", "415-555-2671", "4155552671"),
    "DE": ("030 12345678", "0151 12345678", "015112345678"),
    "GB": ("020 7946 0958", "07400 123456", "07400123456"),
    "IN": ("98765 43210", "098765 43210"),
}
HARMLESS = (
    "2026-11-23 12:00:00",
    "12.345.678",
    "10.0.0.1:54321",
    "1732600000",
    "R$ 1.234.567,89",
    "01.12.2024 10:00:00",
)
NUMBERS = [(region, number) for region, numbers in NATIONAL.items() for number in numbers]


def masker(*regions: str) -> Masker:
    return Masker(MaskingConfig(regions=regions))


def test_every_country_has_its_calling_code() -> None:
    known = {
        region: str(code) for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items() for region in regions
    }
    known.pop("001")

    assert calling_codes() == known


@for_each("region, number", NUMBERS)
def test_a_national_number_of_a_named_country_is_masked(region: str, number: str) -> None:
    masked = masker("BR", region).text(f"ligue {number} hoje")

    code = calling_codes()[region]
    assert masked == f"ligue +{code}********{''.join(filter(str.isdigit, number))[-4:]} hoje"


@for_each("region, number", NUMBERS)
def test_it_stays_where_the_country_is_not_named(region: str, number: str) -> None:
    assert masker("BR").text(f"code {number} here") == f"code {number} here", region


@for_each("text", HARMLESS)
def test_times_and_figures_stay(text: str) -> None:
    assert masker(*NATIONAL).text(text) == text


def test_little_else_is_damaged() -> None:
    of_europe = masker("BR", "PT", "FR", "GB")

    changed = [case for case in kept() if of_europe.value(case.key, case.given) != case.given]

    assert len(changed) <= 0.01 * len(kept()), changed[:5]


def test_brazilian_numbers_are_masked_whatever_is_named() -> None:
    assert masker("PT").text("(11) 98765-4321") == "+55********4321"


def test_what_is_no_country_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"regions has no ISO code of a country in .*XX.*; write them as in"):
        MaskingConfig(regions=("BR", "XX"))


def test_argument_and_variable_add_up() -> None:
    config = TelemetryConfig(masking=MaskingConfig(regions=("BR", "US")), environ={"WHATSSELF_OTEL_REGIONS": "BR,PT"})

    assert set(config.masking_rules.regions) == {"BR", "US", "PT"}
    assert Masker(config.masking_rules).text("912 345 678") == "+351********5678"
