"""
Hide phones, message text and secrets before anything leaves the process.

Two kinds of rule work together. A key rule masks what stands under a known name, whatever it is; a detector masks what
it recognises in any text. docs/masking.md lists both, generated from the rules themselves.

Everything is a pure function of its input and the configuration: nothing given is changed, nothing raises, and an error
inside masking replaces the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from whatsself_otel.errors import ConfigError
from whatsself_otel.masking import phones
from whatsself_otel.masking.detectors import Detectors
from whatsself_otel.masking.keys import (
    KEY_RULES,
    NO_PLAN,
    KeyRules,
    normal_key,
)
from whatsself_otel.masking.pseudonyms import key_file_problems, pseudonym_of, read_keys
from whatsself_otel.masking.reading import MASKED_PHONE, MAX_TEXT_CHARS, Finding, token
from whatsself_otel.masking.references import reference
from whatsself_otel.masking.regions import codes_of, is_region
from whatsself_otel.masking.sql import without_literals
from whatsself_otel.masking.walk import MAX_ITEMS, Walk, with_text_keys
from whatsself_otel.remembered import Remembered

MAX_SHOWN_DIGITS: Final = 4
MIN_NATIONAL_DIGITS: Final = 7
"""Of a shorter number no digit is shown: four of five would be no mask."""

STARS: Final = "*" * 8
"""Always eight, so that the length of a number does not show."""
REDACTED_USERINFO: Final = "REDACTED:REDACTED"
"""What OpenTelemetry's conventions put for the credentials of a URL; brackets would not parse there."""

_RULE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PLAIN_NUMBER: Final = re.compile(r"\+?[0-9]{7,15}")
_MAX_REMEMBERED_ID_CHARS: Final = 256
_CUT_CHARS: Final = 64
_CUT_NUMBER: Final = re.compile(r"[0-9 ()+.%@\w-]{0,64}\Z")
_BUILT_IN: Final = frozenset(rule.rule for rule in KEY_RULES) | {"card", "credentials", "jid", "sql", "wamid"}
_PERSON: Final = re.compile(
    r"(p_[0-9a-f]{24})(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?@(?:s\.whatsapp\.net|c\.us|lid|hosted|hosted\.lid)"
)
_NESTED_REPEAT: Final = re.compile(r"[+*}]\??\)(?:[+*]|\{[0-9]*,[0-9]*\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRule:
    """
    A rule of the user's own: a pattern, a function, names, or several of them.

    Checked by :class:`MaskingConfig`, which reports every problem at once.
    """

    name: str
    """Shown in the token, ``[masked:<name>]``, and in the counter; lower snake case, at most 32 characters."""
    pattern: str = ""
    """Regular expression; its matches in any text are replaced. No repeat inside a repeat."""
    find: Callable[[str], Iterable[tuple[int, int]]] | None = None
    """Gives the start and end of what to replace in a text. If it raises, the whole text is replaced."""
    keys: tuple[str, ...] = ()
    """Names, in any case style, whose values are always replaced."""

    def problems(self) -> Iterator[str]:
        """Yield each problem of this rule as one sentence."""
        wrong = _wrong_kinds(self, _RULE_KINDS)
        shown = _show(self.name)
        yield from (f"MaskRule {shown}: {problem}" for problem in wrong.values())
        if "name" not in wrong:
            yield from self._name_problems(shown)
        if not (wrong or self.pattern or self.find or self.keys):
            yield f"MaskRule {shown} has neither pattern, find nor keys and would never apply; give one"
        if "keys" not in wrong:
            yield from _nameless(self.keys)
        if "pattern" not in wrong and self.pattern:
            yield from self._pattern_problems()

    def _name_problems(self, shown: str) -> Iterator[str]:
        if not _RULE_NAME.fullmatch(self.name):
            yield f"MaskRule name {shown} is no lower snake case of 32 characters or less; use one"
        elif self.name in _BUILT_IN:
            yield f"MaskRule name {shown} is taken by a built-in rule; choose another"

    def _pattern_problems(self) -> Iterator[str]:
        try:
            compiled = re.compile(self.pattern)
        except (re.error, RecursionError, OverflowError) as error:
            yield f"MaskRule {self.name!r}: the pattern does not compile ({error}); correct it"
            return
        if compiled.search("") is not None:
            yield f"MaskRule {self.name!r}: the pattern matches the empty text, so every text; make it need a character"
        if _NESTED_REPEAT.search(self.pattern):
            yield f"MaskRule {self.name!r}: the pattern repeats a repeat, which can take for ever; bound the inner one"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskingConfig:
    """
    Settings of masking beyond the built-in rules: further names, patterns, countries, digits that stay.

    Raises:
        ConfigError: With every problem found.
    """

    mask_last: int = MAX_SHOWN_DIGITS
    """Digits of a phone that stay, 0 to 4. Four still tell most contacts of a small business apart; 0 hides all."""
    extra_keys: tuple[str, ...] = ()
    """More names whose values are replaced by ``[masked:key]``, in any case style."""
    allow_keys: tuple[str, ...] = ()
    """Names freed from their key rule (``"to"`` where it means a state). Detectors still read their values."""
    regions: tuple[str, ...] = ("BR",)
    """Countries, as ISO codes, whose numbers are masked without their calling code too. Brazil's always are."""
    allow_values: tuple[str, ...] = ()
    """Exact phones or addresses that are no secret, such as the business's own; only that part of a text stays."""
    rules: tuple[MaskRule, ...] = ()
    """Rules of the user's own; they apply before the built-in ones."""
    pseudonym_key_file: Path | None = None
    """File of secret keys, one a line of at least 16 characters; the first writes, older ones still resolve."""

    def __post_init__(self) -> None:
        wrong = _wrong_kinds(self, _MASKING_KINDS)
        for field in fields(self):  # what is wrong counts as not given, so that the rest is checked all the same
            value = field.default if field.name in wrong else getattr(self, field.name)
            object.__setattr__(self, field.name, tuple(value) if isinstance(value, list) else value)
        if isinstance(self.pseudonym_key_file, str):
            object.__setattr__(self, "pseudonym_key_file", Path(self.pseudonym_key_file))
        if problems := [*wrong.values(), *self._problems()]:
            raise ConfigError(problems)

    def _problems(self) -> Iterator[str]:
        if not 0 <= self.mask_last <= MAX_SHOWN_DIGITS:
            yield f"mask_last must be 0 to {MAX_SHOWN_DIGITS}, got {self.mask_last!r}; more would show the number"
        yield from _nameless((*self.extra_keys, *self.allow_keys))
        if unknown := [each for each in self.regions if not is_region(each)]:
            yield f"regions has no ISO code of a country in {_show(unknown)}; write them as in ('BR', 'PT')"
        yield from (problem for rule in self.rules for problem in rule.problems())
        yield from self._allow_problems()
        if self.pseudonym_key_file is not None:
            yield from key_file_problems(self.pseudonym_key_file)

    def _allow_problems(self) -> Iterator[str]:
        key_rules = KeyRules({}, frozenset())
        for key in self.allow_keys:
            if key_rules.plan(key).rule in {"secret", "qr"}:
                yield f"allow_keys: {key!r} names a secret, which always stays masked; remove it"
        if any(len(value.strip()) < phones.SHORTEST_DIGITS for value in self.allow_values):
            yield f"allow_values holds a value shorter than {phones.SHORTEST_DIGITS} characters; write the whole number"


_Kind = tuple[Callable[[object], bool], str]
"""The type that a value must have: a check, and the same in words."""


def _are(kind: type, value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(item, kind) for item in value)


_NAMES: Final[_Kind] = (partial(_are, str), "a tuple of text, such as ('order_note',)")
_RULE_KINDS: Final[dict[str, _Kind]] = {
    "name": (lambda value: isinstance(value, str), "text"),
    "pattern": (lambda value: isinstance(value, str), "a regular expression as text"),
    "find": (lambda value: value is None or callable(value), "a function or None"),
    "keys": _NAMES,
}
_MASKING_KINDS: Final[dict[str, _Kind]] = {
    "mask_last": (lambda value: type(value) is int, f"a whole number, 0 to {MAX_SHOWN_DIGITS}"),
    "extra_keys": _NAMES,
    "allow_keys": _NAMES,
    "regions": (partial(_are, str), "a tuple of ISO codes of countries, such as ('BR', 'PT')"),
    "allow_values": _NAMES,
    "rules": (partial(_are, MaskRule), "a tuple of MaskRule"),
    "pseudonym_key_file": (lambda value: value is None or isinstance(value, (str, Path)), "the path of a file or None"),
}


def _wrong_kinds(given: MaskRule | MaskingConfig, kinds: Mapping[str, _Kind]) -> dict[str, str]:
    """Return the fields of *given* that hold a wrong type, each with a sentence that names the right one."""
    values = {name: getattr(given, name) for name in kinds}
    return {
        name: f"{name} must be {words}, got {_show(values[name])}"
        for name, (holds, words) in kinds.items()
        if not holds(values[name])
    }


def _show(value: object) -> str:
    return repr(Masker().value(None, value))[:120]


def _nameless(keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        if not normal_key(key).strip("."):
            yield f"masking key {key!r} has no letters; write it as in 'order_note'"


class Masker:
    """
    Apply every rule of *config*. No method raises, and none changes its argument.

    Args:
        config: What to mask beyond the built-in rules.
        on_masked: Told the rule and how often it applied; what it raises is ignored.
    """

    def __init__(
        self,
        config: MaskingConfig = MaskingConfig(),
        *,
        on_masked: Callable[[str, int], None] | None = None,
    ) -> None:
        self._on_masked = on_masked
        self._last = config.mask_last
        extra = {normal_key(key): "key" for key in config.extra_keys}
        extra |= {normal_key(key): rule.name for rule in config.rules for key in rule.keys}
        key_rules = KeyRules(extra, frozenset(map(normal_key, config.allow_keys)))
        self._key_rules = key_rules
        self._plan = lru_cache(maxsize=4096)(key_rules.plan)
        self._detectors = Detectors(self._plan, key_rules, codes_of(config.regions))
        self._allowed = frozenset(map(_comparable, config.allow_values))
        self._own = tuple((rule.name, _spans_of(rule.pattern)) for rule in config.rules if rule.pattern) + tuple(
            (rule.name, rule.find) for rule in config.rules if rule.find
        )
        self._has_own_text_rules = bool(self._own or self._allowed)
        self._clean_names: set[str] = set()
        self._clean_ids: Remembered[str, None] = Remembered(MAX_ITEMS)
        """Ids that were read and point to no person: one id stands on several spans and lines."""
        self._keys = read_keys(config.pseudonym_key_file)

    def text(self, value: str) -> str:
        """*value* with everything the detectors recognise replaced."""
        try:
            return self._text(value)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def url(self, value: str) -> str:
        """A URL or a part of one, raw or percent-encoded any number of times: path, parameters, credentials."""
        try:
            return self._text(value, is_url=True)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def sql(self, value: str) -> str:
        """Return a statement with ``?`` for every literal, and the rest read by the detectors."""
        try:
            return self._sql(value)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def value(self, key: str | None, value: object) -> object:
        """*value* masked by the rule of *key*, else by the detectors, through containers; type kept if possible."""
        try:
            return Walk(self).value(key, value)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def attributes(self, attributes: Mapping[str, object] | None) -> dict[str, object]:
        """Every attribute masked, and its key where that holds something personal."""
        if not attributes:
            return {}
        try:
            walk = Walk(self)
            masked = walk.mapping(attributes, NO_PLAN)
            return with_text_keys(masked) if walk.has_other_keys else masked  # type: ignore[return-value]  # all are text
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return {"masking": self._failed()}

    def identifier(self, value: str) -> str:
        """
        An internal id as it is; a phone, address or mail address as its keyed pseudonym, or masked where no key is set.

        The same contact has the same pseudonym however its number is written.
        """
        try:
            return value if value in self._clean_ids else self._new_identifier(value)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def numbers_stay(self, key: str) -> bool:
        """Return whether numbers under *key* are measurements or ids, so that no rule reads them."""
        plan = self._plan(key)
        return plan.rule is None and plan.numbers_pass

    def trust(self, value: str) -> None:
        """Take *value* for an internal id that needs no reading: it was found clean, or made here at random."""
        self._clean_ids.keep(value, None)

    def pseudonyms(self, value: str) -> tuple[str, ...]:
        """What :meth:`identifier` gives under each key of the file, the writing one first: to find older telemetry."""
        try:
            return tuple(self._identifier(value, (key,)) for key in self._keys)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return (self._failed(),)

    def under(self, rule: str, value: str) -> str:
        """Return the replacement of *value* under a key of *rule*."""
        if not value or value == token(rule):
            return value
        if rule != "phone":
            return self._counted(rule)
        return self._phone_value(value)

    def _masked_name(self, name: str) -> str:
        """*name* masked, and remembered where it is clean: the few names an application has are read once."""
        masked = self.text(name)
        if masked == name and len(self._clean_names) < MAX_ITEMS:
            self._clean_names.add(name)
        return masked

    def _new_identifier(self, value: str) -> str:
        masked = self._identifier(value, self._keys[:1])
        if masked == value and len(value) <= _MAX_REMEMBERED_ID_CHARS:
            self.trust(value)
        return masked

    def _phone_value(self, value: str) -> str:
        if self._has_own_text_rules or not _PLAIN_NUMBER.fullmatch(value):
            masked = self.text(value)
            if MASKED_PHONE.fullmatch(masked):
                return masked
        self._count("phone")
        return self._shown(*phones.under_key(value))

    def _failed(self) -> str:
        return self._counted("error")

    def _counted(self, rule: str) -> str:
        self._count(rule)
        return token(rule)

    def _count(self, rule: str) -> None:
        if self._on_masked is None:
            return
        try:  # noqa: SIM105 - contextlib.suppress costs more than the rest of a count
            self._on_masked(rule, 1)
        except Exception:  # noqa: BLE001, S110 - the counter is never worth the record
            pass

    def _text(self, value: str, *, is_url: bool = False) -> str:
        if len(value) > MAX_TEXT_CHARS:
            return self._text(_cut(value), is_url=is_url) + token("size")
        for rule, spans in self._own:
            value = self._replaced(value, [Finding(start, end, rule) for start, end in spans(value)])
        found = self._detectors.find(value, is_url=is_url)
        return self._replaced(value, found) if found else value

    def _replaced(self, value: str, findings: list[Finding], keys: tuple[bytes, ...] = ()) -> str:
        masked = ""
        done = 0
        for found in findings:
            start, end, *_ = found
            original = value[start:end]
            if start < done or (self._allowed and _comparable(original) in self._allowed):
                continue
            masked += value[done:start] + self._stand_in(found, original, keys)
            done = end
        return masked + value[done:]

    def _stand_in(self, found: Finding, original: str, keys: tuple[bytes, ...]) -> str:
        _, _, rule, digits, country, kept = found
        if self._on_masked is not None:
            self._count(rule)
        if keys and rule in {"phone", "jid", "email", "document"}:
            return pseudonym_of(keys[0], found, original) + kept
        if country:
            return self._shown(digits, country) + kept
        if rule == "wamid":
            return reference(kept, digits)
        if rule == "statement":
            return self._text(kept)
        return REDACTED_USERINFO if rule == "credentials" else token(rule) + kept

    def _shown(self, digits: str, country: str) -> str:
        if not country:
            return token("phone")
        if not self._last or len(digits) - len(country) < MIN_NATIONAL_DIGITS:
            return f"+{country}{STARS}"
        return f"+{country}{STARS}{digits[-self._last :]}"

    def _identifier(self, value: str, keys: tuple[bytes, ...]) -> str:
        if len(value) > MAX_TEXT_CHARS or not keys:
            return self._text(value)
        masked = self._replaced(value, self._detectors.find(value), keys)
        person = _PERSON.fullmatch(masked)
        return self._text(person[1] if person else masked)

    def _sql(self, value: str) -> str:
        if len(value) > MAX_TEXT_CHARS:
            return self._sql(_cut(value)) + token("size")
        plain = without_literals(value)
        if plain != value:
            self._count("sql")
        return self._text(plain)


def _comparable(value: str) -> str:
    digits = re.sub(r"[^0-9]", "", value)
    return digits if len(digits) >= phones.SHORTEST_DIGITS and "@" not in value else value.strip().lower()


def _cut(value: str) -> str:
    """Return the longest part that may be read, without a number that the cut may have halved."""
    kept = value[:MAX_TEXT_CHARS]
    return kept[:-_CUT_CHARS] + _CUT_NUMBER.sub("", kept[-_CUT_CHARS:])


def _spans_of(pattern: str) -> Callable[[str], Iterable[tuple[int, int]]]:
    compiled = re.compile(pattern)
    return lambda text: [found.span() for found in compiled.finditer(text)]
