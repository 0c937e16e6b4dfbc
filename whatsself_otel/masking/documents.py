"""Numbers that prove themselves by check digits: CPF, CNPJ and payment cards."""

from __future__ import annotations

import re
from typing import Final

_CNPJ_SHAPE: Final = re.compile(r"[0-9A-Z]{12}[0-9]{2}")
_CNPJ_WEIGHTS: Final = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
# Issuer prefixes in use (ISO/IEC 7812): without them one 16-digit number in ten would pass for a card.
_CARD_SHAPE: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15})|(?:5[0-9]|2[2-7]|6[0-9]|9[0-2])[0-9]{14}|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}"
    r"|35[0-9]{14}"
)
_LUHN_DOUBLE: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_cpf(digits: str) -> bool:
    """Whether *digits* are a CPF with right check digits (mod 11, Receita Federal)."""
    if len(digits) != 11 or digits == digits[0] * 11:
        return False
    return _cpf_check(digits[:9]) == digits[9] and _cpf_check(digits[:10]) == digits[10]


def _cpf_check(digits: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(len(digits) + 1, 1, -1), strict=True))
    return str(total * 10 % 11 % 10)


def is_cnpj(code: str) -> bool:
    """Whether *code* is a CNPJ with right check digits, numeric or alphanumeric (IN RFB 2.229/2024)."""
    if _CNPJ_SHAPE.fullmatch(code) is None or code == code[0] * 14:
        return False
    return _cnpj_check(code[:12]) == code[12] and _cnpj_check(code[:13]) == code[13]


def _cnpj_check(code: str) -> str:
    weights = _CNPJ_WEIGHTS[-len(code) :]
    rest = sum((ord(char) - 48) * weight for char, weight in zip(code, weights, strict=True)) % 11
    return str(0 if rest < 2 else 11 - rest)


def is_card(digits: str) -> bool:
    """Whether *digits* begin like a payment card and pass the Luhn check (ISO/IEC 7812-1, annex B)."""
    if _CARD_SHAPE.fullmatch(digits) is None:
        return False
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_LUHN_DOUBLE[value] for value in values[1::2])) % 10 == 0
