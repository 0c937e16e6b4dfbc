"""
Hide phones, message text and secrets before anything leaves the process.

Two kinds of rule work together: a key rule masks what stands under a known name, whatever it is; a detector masks
what it recognises in free text. Everything here is a pure function of its input and the configuration.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final
from uuid import UUID

from whatsself_otel import phones
from whatsself_otel.errors import ConfigError

MAX_TEXT: Final = 262_144
MAX_DEPTH: Final = 32
MAX_ITEMS: Final = 10_000

_STARS: Final = "*" * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRule:
    """One more rule of the user's own: a pattern, keys, or both."""

    name: str
    pattern: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskingConfig:
    """What is masked beyond the built-in rules, and how much of a phone stays."""

    mask_last: int = 4
    extra_keys: tuple[str, ...] = ()
    allow_keys: tuple[str, ...] = ()
    allow_values: tuple[str, ...] = ()
    rules: tuple[MaskRule, ...] = ()
    pseudonym_key_file: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.mask_last <= 4:  # noqa: PLR2004
            raise ConfigError([f"mask_last must be 0 to 4, got {self.mask_last!r}"])


def token(rule: str) -> str:
    """The constant that replaces what *rule* found."""
    return f"[masked:{rule}]"


_KEYS: Final = {
    "phone": "phone number msisdn mobile cellphone telefone celular to from jid lid recipient sender participant wa_id "
    "remote_jid chat_id",
    "body": "body message content caption text quoted transcript conversation",
    "name": "name push_name pushname notify vcard full_name first_name last_name display_name contact_name",
    "email": "email e_mail mail",
    "qr": "qr qr_code pairing_code",
    "secret": "password passwd pwd secret token authorization cookie set_cookie dsn api_key apikey private_key "
    "credential credentials session_key access_token refresh_token id_token jwt",
    "document": "cpf cnpj rg pix pix_key",
}
_HEADS: Final = {word: rule for rule, words in _KEYS.items() for word in words.split()}
_AMBIGUOUS: Final = frozenset(
    "number mobile to from lid recipient sender participant message content text quoted name notify mail body".split()
)
_QUALIFIED: Final = {
    "number": "phone mobile cell contact whatsapp from to",
    "name": "contact push customer user first last full display sender recipient profile client person lead",
    "message": "text last quoted inbound outbound incoming outgoing reply",
    "text": "message body reply quoted",
    "content": "message body",
    "to": "sent message reply",
    "from": "sent message forwarded",
    "body": "*",
    "mobile": "*",
    "sender": "message",
    "recipient": "message",
}
_NAMESPACES: Final = frozenset(
    "http url db net network server client service telemetry otel process host os thread code exception error "
    "messaging rpc faas k8s container cloud deployment user_agent tls log event scope".split()
)
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SEPARATED: Final = r"[ \t.()-]{0,3}"
_ANCHOR: Final = re.compile(r"[0-9+(@=:](?:(?<=[+@=:])|(?<![0-9A-Za-z*].)(?:" + _SEPARATED + r"[0-9]){7})")
_CHUNK: Final = re.compile(r"\(?[0-9](?:[ \t.()-]{0,3}[0-9]){7,24}")
_PLUS: Final = re.compile(r"\+[ \t.()-]{0,3}[0-9](?:[ \t.()/-]{0,3}[0-9]){6,17}")
_RUN: Final = re.compile(r"[0-9]+")
_LOCAL: Final = re.compile(r"[\w.+%:-]{1,80}$")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){1,8}|[a-z]{1,10}")
_JIDS: Final = frozenset(["s.whatsapp.net", "c.us", "g.us", "lid", "broadcast", "newsletter"])
_NUMERIC: Final = re.compile(r"([0-9]{5,20})(?:-[0-9]{5,16})?(:[0-9]{1,4})?$")
_KEY_BEFORE: Final = re.compile(r"(?<![\w.-])([A-Za-z_][\w.-]{0,63})(?:\[\])?\\?[\"']? {0,2}$")
_VALUE: Final = re.compile(r" {0,2}(?:\\?\"(?P<d>[^\"\\]{0,65536})\\?\"?|'(?P<s>[^']{0,65536})'?|(?P<w>[^\s,;&)}\]\"']+))")
_BEARER: Final = re.compile(r"\b(bearer|basic) +([A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE)
_JWT: Final = re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?")
_USERINFO: Final = re.compile(r"(?<=://)[^\s/@\"']{1,256}@")
_SQL_LITERAL: Final = re.compile(r"'(?:[^']|'')*(?:'|$)|(?<![\w$.:@%])[0-9]+(?:\.[0-9]+)?(?!\w)")
_SQL: Final = re.compile(r"\[(SQL|parameters): .*?\](?=\n|$|\s*\()", re.DOTALL)


class Masker:
    """
    Apply every rule of *config*.

    Args:
        config: What to mask beyond the built-in rules.
        on_masked: Told the rule and how often it applied; whatever it raises is ignored.
    """

    def __init__(
        self, config: MaskingConfig = MaskingConfig(), *, on_masked: Callable[[str, int], None] | None = None
    ) -> None:
        self._config = config
        self._on_masked = on_masked
        self._key_rule = lru_cache(maxsize=4096)(self._find_key_rule)
        self._secrets = _read_keys(config.pseudonym_key_file)

    def text(self, value: str) -> str:
        """*value* with everything the detectors know replaced."""
        try:
            return self._text(value, self._phone)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def value(self, key: str | None, value: object) -> object:
        """*value* masked by the rule of *key*, else by the detectors, through containers; its type kept if it can be."""
        try:
            return self._value(key, value, depth=0, seen=frozenset())
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def attributes(self, attributes: Mapping[str, object] | None) -> dict[str, object]:
        """Every attribute masked, its key too."""
        try:
            return {self.text(key): self.value(key, value) for key, value in (attributes or {}).items()}
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return {"masking": self._failed()}

    def url(self, value: str) -> str:
        """A URL or a part of one, raw or percent-encoded."""
        try:
            return self._text(_percent_decoded(value), self._phone)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def sql(self, value: str) -> str:
        """A statement with its literals replaced by ``?``."""
        try:
            return self._text(_SQL_LITERAL.sub("?", value), self._phone)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def identifier(self, value: str) -> str:
        """An internal id as it is; a phone or JID as its keyed pseudonym, or masked where no key is set."""
        try:
            return self._text(value, self._pseudonym)
        except Exception:  # noqa: BLE001 - a failure must not let the value through
            return self._failed()

    def _failed(self) -> str:
        self._count("error")
        return token("error")

    def _count(self, rule: str) -> None:
        if self._on_masked is None:
            return
        try:
            self._on_masked(rule, 1)
        except Exception:  # noqa: BLE001, S110 - the counter is never worth the record
            pass

    def _phone(self, digits: str, country: str) -> str:
        last = self._config.mask_last
        return f"+{country}{_STARS}{digits[-last:] if last else ''}" if country else token("phone")

    def _pseudonym(self, digits: str, country: str) -> str:
        if not self._secrets:
            return self._phone(digits, country)
        whole = digits if digits.startswith(country) and len(digits) > 11 else country + digits  # noqa: PLR2004
        digest = hmac.new(self._secrets[0], phones.canonical(whole).encode(), hashlib.sha256).hexdigest()
        return f"p_{digest[:24]}"

    def _text(self, value: str, phone: Callable[[str, str], str]) -> str:
        if len(value) > MAX_TEXT:
            value = value[:MAX_TEXT].rstrip("+0123456789 ().-") + token("size")
        if "earer " in value or "asic " in value:
            value = _BEARER.sub(lambda m: f"{m[1]} {self._counted('secret')}", value)
        if "eyJ" in value:
            value = _JWT.sub(lambda _: self._counted("secret"), value)
        if "://" in value and "@" in value:
            value = _USERINFO.sub(lambda _: self._hidden("credentials", "REDACTED:REDACTED@"), value)
        if "[SQL: " in value or "[parameters: " in value:
            value = _SQL.sub(lambda m: f"[{m[1]}: {self._counted('sql')}]", value)
        if _ANCHOR.search(value) is None:
            return value
        return self._masked(value, phone)

    def _counted(self, rule: str) -> str:
        self._count(rule)
        return token(rule)

    def _hidden(self, rule: str, replacement: str) -> str:
        self._count(rule)
        return replacement

    def _masked(self, value: str, phone: Callable[[str, str], str]) -> str:
        out: list[str] = []
        done = 0
        for anchor in _ANCHOR.finditer(value):
            at = anchor.start()
            if at < done:
                continue
            found = self._at(value, at, done, phone)
            if found is not None:
                start, end, replacement = found
                out += value[done:start], replacement
                done = end
        return "".join([*out, value[done:]]) if out else value

    def _at(self, value: str, at: int, done: int, phone: Callable[[str, str], str]) -> tuple[int, int, str] | None:
        char = value[at]
        if char == "@":
            return self._at_sign(value, at, done, phone)
        if char in "=:":
            return self._pair(value, at)
        if char == "+":
            return self._plus(value, at, phone)
        return self._number(value, at, phone)

    def _at_sign(self, value: str, at: int, done: int, phone: Callable[[str, str], str]) -> tuple[int, int, str] | None:
        domain = _DOMAIN.match(value, at + 1)
        local = _LOCAL.search(value, max(done, at - 80), at)
        if domain is None or local is None:
            return None
        host = domain[0].rstrip(".")
        numeric = _NUMERIC.search(value, local.start(), at)
        jid = next((name for name in _JIDS if host.startswith(name)), "")
        if jid:
            if numeric is None or value[numeric.start() - 1 : numeric.start()] == "*":
                return None
            self._count("jid")
            digits, device = numeric[1], numeric[2] or ""
            country = phones.international(digits)
            return numeric.start(), at, (phone(digits, country) if country else token("jid")) + device
        if "." not in host or value.startswith("REDACTED:REDACTED", at - 17):
            return None
        self._count("email")
        return local.start(), at + 1 + len(host), token("email")

    def _pair(self, value: str, at: int) -> tuple[int, int, str] | None:
        key = _KEY_BEFORE.search(value, max(0, at - 72), at)
        if key is None:
            return None
        rule = self._key_rule(key[1])
        found = _VALUE.match(value, at + 1)
        if rule is None or found is None or found.lastgroup is None:
            return None
        group = found.lastgroup
        if (group == "w" and value[at] == ":" and rule not in {"secret", "qr"}) or "[masked:" in found[group]:
            return None
        if rule == "phone" and "********" in found[group]:
            return None
        return found.start(group), found.end(group), self._under(rule, found[group], self._phone)

    def _plus(self, value: str, at: int, phone: Callable[[str, str], str]) -> tuple[int, int, str] | None:
        chunk = _PLUS.match(value, at)
        if chunk is None:
            return None
        runs = [run.span() for run in _RUN.finditer(value, at, chunk.end())]
        fallback: tuple[int, int, str] | None = None
        for size in range(len(runs), 0, -1):
            end = runs[size - 1][1]
            digits = "".join(value[a:b] for a, b in runs[:size])
            if not phones.SHORTEST_DIGITS <= len(digits):
                break
            code = phones.calling_code(digits)
            if code and len(digits) in phones.calling_codes()[code]:
                self._count("phone")
                return at, end, phone(digits, code)
            if fallback is None and len(digits) <= phones.E164_MAX_DIGITS:
                fallback = at, end, phone(digits, code)
        if fallback:
            self._count("phone")
        return fallback

    def _number(self, value: str, at: int, phone: Callable[[str, str], str]) -> tuple[int, int, str] | None:
        chunk = _CHUNK.match(value, at)
        if chunk is None:
            return None
        runs = [run.span() for run in _RUN.finditer(value, at, chunk.end())]
        for size in range(len(runs), 0, -1):
            end = runs[size - 1][1]
            if value[end : end + 1].isalnum():
                continue
            digits = "".join(value[a:b] for a, b in runs[:size])
            country, national = _written_number(digits, [b - a for a, b in runs[:size]])
            if country:
                self._count("phone")
                return at, end, phone(national, country)
        return None

    def _under(self, rule: str, value: str, phone: Callable[[str, str], str]) -> str:
        """What stands for *value* under a key of *rule*."""
        self._count(rule)
        if rule != "phone":
            return token(rule)
        masked = self._text(value, phone)
        if masked != value:
            return masked
        digits = re.sub(r"\D", "", value)
        if phones.is_brazilian(digits):
            return phone(digits, phones.BRAZIL)
        return phone(digits, phones.international(digits))

    def _value(self, key: str | None, value: object, *, depth: int, seen: frozenset[int]) -> object:
        if value is None or isinstance(value, bool):
            return value
        rule = self._key_rule(key) if key else None
        if isinstance(value, str):
            return self._string(key, rule, value)
        if depth > MAX_DEPTH:
            return token("depth")
        if id(value) in seen:
            return token("cycle")
        inner = seen | {id(value)}
        if isinstance(value, Mapping):
            return {
                (self.text(k) if isinstance(k, str) else k): self._value(
                    k if isinstance(k, str) and rule is None else key if rule else None, v, depth=depth + 1, seen=inner
                )
                for k, v in list(value.items())[:MAX_ITEMS]
            }
        if isinstance(value, (list, tuple, Set)):
            items = [self._value(key, item, depth=depth + 1, seen=inner) for item in list(value)[:MAX_ITEMS]]
            return tuple(items) if isinstance(value, tuple) else items if isinstance(value, list) else set(items)
        return self._scalar(rule, value)

    def _string(self, key: str | None, rule: str | None, value: str) -> str:
        if rule is not None:
            return self._under(rule, value, self._phone)
        if key in {"db.statement", "db.query.text"}:
            return self.sql(value)
        if key in {"url.full", "url.path", "url.query", "http.url", "http.target", "path"}:
            return self.url(value)
        return self.text(value)

    def _scalar(self, rule: str | None, value: object) -> object:
        if isinstance(value, (bytes, bytearray)):
            decoded = bytes(value).decode("utf-8", "surrogateescape")
            masked = self._string(None, rule, decoded)
            return value if masked == decoded else masked.encode("utf-8", "surrogateescape")
        if isinstance(value, (date, time, timedelta, UUID)) and rule is None:
            return value
        shown = str(value)
        masked = self._string(None, rule, shown)
        return value if masked == shown and isinstance(value, (int, float, complex)) else masked

    def _find_key_rule(self, key: str) -> str | None:
        if key in self._config.allow_keys:
            return None
        *parents, last = key.split(".")
        words = [word.lower() for word in _WORDS.findall(last)]
        whole = "_".join(words)
        if key in self._config.extra_keys or whole in self._config.extra_keys:
            return "key"
        if not words:
            return None
        ambiguous = words[-1] in _AMBIGUOUS
        if parents and parents[0] in _NAMESPACES and ambiguous:
            return None
        if whole in _HEADS:
            return _HEADS[whole]
        if len(words) > 1 and "_".join(words[-2:]) in _HEADS:
            return _HEADS["_".join(words[-2:])]
        if ambiguous and not {"*", words[-2]} & set(_QUALIFIED.get(words[-1], "").split()):
            return None
        return _HEADS.get(words[-1])


def _written_number(digits: str, sizes: list[int]) -> tuple[str, str]:
    """Country and digits of a number written without plus, or two empty strings."""
    if rest := phones.without_exit(digits):
        return phones.calling_code(rest), rest
    if rest := phones.without_trunk(digits):
        return phones.BRAZIL, rest
    bare = len(sizes) == 1
    if phones.is_brazilian(digits) and (phones.is_brazilian_mobile(digits) if bare else sizes[0] == 2):  # noqa: PLR2004
        return phones.BRAZIL, digits
    country = phones.international(digits)
    if country and len(digits) > 10 and (bare or sizes[0] == len(country)):  # noqa: PLR2004
        return country, digits
    return "", ""


def _percent_decoded(value: str) -> str:
    return re.sub(r"%(?:25)*(2[Bb]|40|3[Aa])", lambda m: chr(int(m[1], 16)), value)


def _read_keys(path: Path | None) -> tuple[bytes, ...]:
    if path is None:
        return ()
    return tuple(line.strip().encode() for line in path.read_text().splitlines() if line.strip())
