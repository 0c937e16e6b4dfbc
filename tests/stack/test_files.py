"""Shipped files of the package, found or missing."""

from __future__ import annotations

import pytest

from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.files import shipped


def test_a_file_of_the_checkout_is_found() -> None:
    assert shipped("collector/config.yaml").is_file()


def test_a_file_that_is_nowhere_is_an_error_with_the_remedy() -> None:
    with pytest.raises(
        CommandError, match=r"^collector/none\.yaml is not part .* Install whatsself-otel again"
    ) as caught:
        shipped("collector/none.yaml")

    assert caught.value.status == MISSING
