"""
Which names stand for personal data, whatever their value holds.

A name is split into words (``contactPhone``, ``contact_phone``, ``contact-phone`` and ``Contact Phone`` are the same
two words). What a name means is decided by its words, never by a substring: ``messageId`` is an id, ``author`` is not
``auth``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRule:
    """Names that are masked under one rule name."""

    rule: str
    meaning: str
    strict: tuple[str, ...]
    """Masked wherever the word stands in a name, unless the name ends in a harmless noun (``body_size``)."""
    exact: tuple[str, ...] = ()
    """Masked as a whole name, or as its last words (``customer_full_name``)."""
    qualified: tuple[tuple[str, str], ...] = ()
    """A word with many meanings, and the words before it that settle this one (``name`` after ``contact``)."""
    outside_telemetry: tuple[str, ...] = ()
    """Masked as a whole name, but not as the last part of an OpenTelemetry name (``service.name``)."""


KEY_RULES: Final = (
    KeyRule(
        rule="phone",
        meaning="phone numbers and WhatsApp addresses",
        strict=(
            *("phone", "phones", "telephone", "cellphone", "msisdn", "jid", "jids", "lid", "e164", "whatsapp_number"),
            *("telefone", "telefones", "celular", "celulares", "fone", "pn"),
        ),
        exact=(
            *("phone_number", "mobile_number", "wa_id", "chat_id", "sms", "tel", "callto", "whatsapp", "zap", "wpp"),
            *("sender_id", "recipient_id"),
        ),
        qualified=(
            ("number", "phone mobile cell contact whatsapp wa from to sender recipient customer"),
            ("numero", "telefone celular whatsapp contato"),
            ("to", "sent message msg reply forwarded call send"),
            ("from", "sent message msg reply forwarded call"),
            ("participant", "message group remote"),
            ("sender", "message"),
            ("recipient", "message"),
            ("mobile", "contact customer user client"),
        ),
        outside_telemetry=("to", "from", "mobile", "numero", "recipient", "recipients", "sender", "participant"),
    ),
    KeyRule(
        rule="body",
        meaning="what people write and send",
        strict=("body", "bodies", "caption", "captions", "conversation", "transcript", "vcard", "legenda", "mensagem"),
        exact=(
            *("quoted_msg", "quoted_message", "extended_text_message", "text_message", "selected_display_text"),
            *("input_value", "message_text", "reply_text"),
        ),
        qualified=(
            ("message", "text last first next quoted inbound outbound incoming outgoing reply sent received chat raw"),
            ("text", "message msg body reply quoted chat button note caption inbound outbound sent received raw last"),
            ("content", "message msg body reply quoted chat note file inbound outbound sent received raw last"),
            ("msg", "quoted last inbound outbound incoming outgoing reply sent received chat"),
            ("preview", "message text chat"),
            ("texto", "mensagem resposta"),
        ),
        outside_telemetry=("message", "messages", "content", "contents", "text", "quoted", "texto", "input", "prompt"),
    ),
    KeyRule(
        rule="name",
        meaning="names and addresses of people",
        strict=("pushname", "surname", "firstname", "lastname", "fullname", "nickname", "sobrenome", "endereco"),
        exact=(
            *("push_name", "full_name", "first_name", "last_name", "display_name", "verified_name", "notify_name"),
            *("username", "user_name", "street_address", "nome_completo"),
        ),
        qualified=(
            ("name", "contact customer client sender recipient profile person lead owner author patient member group"),
            ("nome", "contato cliente pessoa"),
        ),
        outside_telemetry=("name", "names", "nome", "notify", "street", "logradouro"),
    ),
    KeyRule(
        rule="email",
        meaning="mail addresses",
        strict=("email", "emails", "mailto"),
        exact=("e_mail", "mail"),
    ),
    KeyRule(
        rule="qr",
        meaning="what links a WhatsApp session: QR and pairing codes",
        strict=("qr", "qrcode"),
        exact=("qr_code", "pairing_code", "link_code"),
    ),
    KeyRule(
        rule="secret",
        meaning="passwords, tokens, cookies, connection strings",
        strict=(
            *("password", "passwd", "pwd", "passphrase", "senha", "secret", "secrets", "segredo", "token", "tokens"),
            *("authorization", "cookie", "cookies", "dsn", "apikey", "jwt", "credential", "credentials", "bearer"),
            *("otp", "csrf", "xsrf", "authtoken"),
        ),
        exact=(
            *("api_key", "private_key", "access_key", "secret_key", "encryption_key", "signing_key", "session_key"),
            *("noise_key", "identity_key", "pre_key", "auth_key", "verification_code", "two_factor_code"),
            *("connection_string", "database_url", "db_url", "redis_url", "sig", "signature"),
        ),
        outside_telemetry=("auth", "pin", "creds"),
    ),
    KeyRule(
        rule="document",
        meaning="papers and payment: CPF, CNPJ, RG, PIX keys, cards, birth dates",
        strict=("cpf", "cnpj", "ssn", "passport"),
        exact=(
            *("card_number", "credit_card", "cvv", "cvc", "pix_key", "chave_pix", "birth_date", "date_of_birth"),
            *("birthday", "data_nascimento", "tax_id"),
        ),
        outside_telemetry=("rg", "pix"),
    ),
)

HARMLESS_ENDINGS: Final = frozenset(
    """
    id ids type types kind kinds status state states count counts counter total totals sum avg mean min max limit
    length len size sizes bytes chars characters ms us ns s sec secs second seconds minutes hours days at on time times
    timestamp ts date age duration latency ttl expiry expires expiration expired valid validated verified enabled
    disabled required present missing exists changed rotated version index position offset format encoding language
    lang country region mode policy attempts attempt retries retry rate ratio percent scope scopes field fields column
    columns table class error errors reason algorithm alg method provider source template route per
    """.split()  # noqa: SIM905 - a vocabulary reads as text
)
"""A name that ends so speaks about the datum, and is not it: ``body_size``, ``phone_country``, ``tokenType``."""

TELEMETRY_NAMESPACES: Final = frozenset(
    """
    app artifact asgi aws azure browser cicd client cloud code collector container cpu db deployment destination device
    disk dns elasticsearch err error event exception faas feature_flag file flow gcp geo gen_ai host http k8s log logger
    messaging net network nodejs oci opentracing os otel otelcol peer process python queue rpc scope server service
    session signalr source sqlalchemy system telemetry test thread tls trigger url user_agent vcs webengine whatsself
    """.split()  # noqa: SIM905 - a vocabulary reads as text
)
"""First parts of dotted names whose ambiguous last part (``name``, ``message``, ``text``, …) is technical."""

SQL_KEYS: Final = frozenset({"db.statement", "db.query.text", "db.query.summary", "statement", "sql"})
URL_KEYS: Final = frozenset(
    """
    url url.full url.path url.query url.fragment url.original http.url http.target http.route path uri href referer
    referrer location target endpoint query query_string path_qs full_path raw_path redirect_url callback_url webhook
    """.split()  # noqa: SIM905 - a vocabulary reads as text
)
SEARCH_PARAMETERS: Final = frozenset({"q", "search", "query", "busca", "filter", "term"})
"""Query parameters that carry what somebody typed; masked in URLs only."""

CONTENT_KEYS: Final = frozenset(
    """
    gen_ai.prompt gen_ai.completion gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions
    gen_ai.tool.call.arguments gen_ai.tool.call.result messaging.message.payload
    """.split()  # noqa: SIM905 - a vocabulary reads as text
)
"""OpenTelemetry names that carry what people wrote."""

PARAMETER_PREFIXES: Final = ("db.query.parameter.", "db.operation.parameter.")
"""Values bound to a statement: any column's content, so always masked."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+")
_HEADER: Final = re.compile(r"^http\.(?:request|response)\.header\.")


class KeyPlan(NamedTuple):
    """What happens to the values of one key."""

    rule: str | None = None
    """Masked under this rule, whatever the value; None: detectors decide."""
    reader: str = "text"
    """How a string is read: ``text``, ``url`` or ``sql``."""
    numbers_pass: bool = False
    """Numbers are measurements here, not phones."""
    ambiguous: bool = False
    """The word has other meanings, so that unquoted prose (``from: closed``) is no evidence."""


def words_of(name: str) -> list[str]:
    """The lower-case words of *name*, numbers left out."""
    return [word.lower() for word in _WORD.findall(name) if not word.isdigit()]


def normal_key(name: str) -> str:
    """*name* in lower snake case, the form that rules and allow lists are compared in."""
    return ".".join("_".join(words_of(part)) for part in name.split("."))


class KeyBook:
    """
    Every key rule, the user's own included.

    Args:
        extra: Names to mask, each with its rule.
        allowed: Names whose key rule is lifted; detectors still read their values.
    """

    def __init__(self, extra: dict[str, str], allowed: frozenset[str]) -> None:
        self._extra = extra
        self._allowed = allowed
        self._strict = {word: rule.rule for rule in KEY_RULES for word in rule.strict}
        self._exact = {name: rule.rule for rule in KEY_RULES for name in rule.exact}
        self._whole = {name: rule.rule for rule in KEY_RULES for name in rule.outside_telemetry}
        self._qualified = {
            word: (rule.rule, frozenset(before.split())) for rule in KEY_RULES for word, before in rule.qualified
        }

    def endings(self, size: int) -> frozenset[str]:
        """The last *size* letters of the masked names that have them, for a cheap test before a lookup."""
        names = [*self._strict, *self._exact, *self._whole, *self._qualified, *self._extra]
        return frozenset(name[-size:] for name in names if len(name) == size or (len(name) > size > 2))

    def plan(self, key: str) -> KeyPlan:  # noqa: PLR0911 - one line a rule, in their order
        """What happens to values under *key*."""
        normal = normal_key(key)
        if normal in self._extra:
            return KeyPlan(self._extra[normal])
        if key.startswith(PARAMETER_PREFIXES):
            return KeyPlan("sql")
        if key in CONTENT_KEYS:
            return KeyPlan("body")
        if normal in self._allowed:
            return KeyPlan(reader=_reader(key))
        name = _HEADER.sub("", key)
        technical = name == key and name.partition(".")[0] in TELEMETRY_NAMESPACES and "." in name
        words = words_of(name.rpartition(".")[2])
        if not words:
            return KeyPlan(reader=_reader(key))
        rule = self._rule(words)
        if rule is not None:
            return KeyPlan(rule, numbers_pass=words[-1].endswith("s") and rule in {"secret", "body"})
        if not technical and (rule := self._ambiguous_rule(words)) is not None:
            return KeyPlan(rule, numbers_pass=words[-1] == "messages", ambiguous=True)
        return KeyPlan(reader=_reader(key), numbers_pass=technical or _measures(words))

    def _rule(self, words: list[str]) -> str | None:
        for size in range(1, min(3, len(words)) + 1):
            if (rule := self._exact.get("_".join(words[-size:]))) is not None:
                return rule
        if words[-1] in HARMLESS_ENDINGS:
            return None
        return next((self._strict[word] for word in reversed(words) if word in self._strict), None)

    def _ambiguous_rule(self, words: list[str]) -> str | None:
        if (rule := self._whole.get("_".join(words))) is not None:
            return rule
        rule, before = self._qualified.get(words[-1], (None, frozenset()))
        return rule if len(words) > 1 and words[-2] in before else None


def _reader(key: str) -> str:
    name = _HEADER.sub("", key).lower()
    return "sql" if name in SQL_KEYS else "url" if name in URL_KEYS else "text"


def _measures(words: list[str]) -> bool:
    return words[-1] in HARMLESS_ENDINGS and words[-1] not in {"id", "ids"}
