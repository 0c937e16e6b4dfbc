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
    phrases: tuple[str, ...] = ()
    """The same, unless the value is one technical word (``title=none``): many programs use these names."""


KEY_RULES: Final = (
    KeyRule(
        rule="phone",
        meaning="phone numbers and WhatsApp addresses",
        strict=(
            *("phone", "phones", "telephone", "cellphone", "msisdn", "jid", "jids", "lid", "e164"),
            *("telefone", "telefones", "celular", "celulares", "fone", "pn", "bsuid"),
        ),
        exact=(
            *("phone_number", "mobile_number", "wa_id", "chat_id", "sms", "tel", "callto", "whatsapp", "zap", "wpp"),
            *("sender_id", "recipient_id", "from_user_id", "parent_user_id", "parent_bsuid"),
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
        strict=(
            *("body", "bodies", "caption", "captions", "conversation", "transcript", "vcard", "vcards"),
            *("legenda", "mensagem", "mensagens", "observacao", "observacoes", "comentario", "comentarios"),
        ),
        exact=(
            *("quoted_msg", "quoted_message", "extended_text_message", "text_message", "display_text", "option_name"),
            *("selected_options", "button_payload", "button_text", "list_title", "row_title", "button_title"),
            *("response_json", "flow_response", "input_value", "message_text", "reply_text", "group_subject"),
            *("subject_old", "jpeg_thumbnail", "png_thumbnail", "thumbnail_base64", "v_card", "v_cards", "about_text"),
            *("profile_status", "profile_about", "status_text", "list_description", "poll_name", "poll_title"),
        ),
        qualified=(
            ("message", "text last first next quoted inbound outbound incoming outgoing reply sent received chat raw"),
            ("text", "message msg body reply quoted chat button note caption inbound outbound sent received raw last"),
            ("text", "title content footer header matched hydrated selected"),
            ("content", "message msg body reply quoted chat note file inbound outbound sent received raw last"),
            ("msg", "quoted last inbound outbound incoming outgoing reply sent received chat"),
            ("preview", "message text chat"),
            ("texto", "mensagem resposta"),
            ("caption", "image video document"),
        ),
        outside_telemetry=(
            *("message", "messages", "content", "contents", "text", "quoted", "texto", "input", "prompt"),
            *("conteudo", "resposta", "respostas", "observation", "base64"),
        ),
        phrases=(
            "title",
            "subtitle",
            "subject",
            "desc",
            "description",
            "titulo",
            "descricao",
            "assunto",
            "about",
            "label",
        ),
    ),
    KeyRule(
        rule="name",
        meaning="names and addresses of people",
        strict=(
            "pushname",
            "surname",
            "firstname",
            "lastname",
            "fullname",
            "nickname",
            "sobrenome",
            "endereco",
            "bairro",
            "apelido",
        ),
        exact=(
            *("push_name", "full_name", "first_name", "last_name", "display_name", "verified_name", "notify_name"),
            *("username", "user_name", "street_address", "nome_completo", "short_name", "formatted_name", "biz_name"),
            *("chat_name", "group_name", "nome_cliente", "nome_contato", "nome_paciente", "nome_social", "nome_mae"),
            *("nome_pai", "razao_social", "nome_fantasia", "middle_name", "degrees_latitude", "degrees_longitude"),
            *("formatted_address", "full_address"),
        ),
        qualified=(
            ("name", "contact customer client sender recipient profile person lead owner author patient member group"),
            ("nome", "contato cliente pessoa"),
        ),
        outside_telemetry=("name", "names", "nome", "nomes", "notify", "street", "logradouro", "latitude", "longitude"),
        phrases=("address", "company", "organization"),
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
        strict=("qr", "qrcode", "pairingcode"),
        exact=("qr_code", "pairing_code", "link_code"),
    ),
    KeyRule(
        rule="secret",
        meaning="passwords, tokens, cookies, connection strings",
        strict=(
            *("password", "passwd", "pwd", "passphrase", "senha", "secret", "secrets", "segredo", "token", "tokens"),
            *("authorization", "cookie", "cookies", "dsn", "apikey", "jwt", "credential", "credentials", "bearer"),
            *("otp", "csrf", "xsrf", "authtoken", "authkey", "mediakey", "privkey", "privatekey", "secretkey"),
            *("accesstoken", "refreshtoken", "sessionkey", "clientsecret", "pgpassword", "ratchet", "chains"),
        ),
        exact=(
            *("api_key", "private_key", "access_key", "secret_key", "encryption_key", "signing_key", "session_key"),
            *("noise_key", "identity_key", "pre_key", "auth_key", "verification_code", "two_factor_code"),
            *("media_key", "priv_key", "root_key", "chain_key", "key_pair", "signed_pre_key", "account_key"),
            *("message_secret", "companion_key", "routing_info", "adv_secret_key", "app_state_sync_key"),
            *("connection_string", "database_url", "db_url", "redis_url", "sig", "signature", "set_cookie"),
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
        outside_telemetry=("rg", "pix", "cep", "cnh"),
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

CONTENT_PARENTS: Final = frozenset(
    """
    interactive button buttons button_reply list_reply nfm_reply location location_message live_location_message
    addresses org contacts contacts_array_message contact_message order product_items document document_message
    image_message video_message audio_message sticker_message ptv_message template_message hydrated_template
    hydrated_four_row_template four_row_template template_button_reply_message list_message list_response_message
    buttons_message buttons_response_message interactive_message interactive_response_message poll_creation_message
    poll_creation_message_v poll_update_message poll poll_vote vote event_message product_message order_message
    group_invite_message sections rows components parameters footer hydrated_buttons quick_reply_button
    """.split()  # noqa: SIM905 - a vocabulary reads as text
)
"""WhatsApp's own objects: values inside them are content, unless their own names have another meaning."""

TECHNICAL_VALUES: Final = tuple(
    """
    queued pending sent delivered read played failed deleted accepted received error ok open closed half-open half_open
    opening closing connected disconnected connecting admin superadmin member owner user bot system provider server
    client self me all any none null nil undefined true false yes no on off y n auto default unknown default main
    oauth oauth2 basic bearer digest apikey session anonymous required optional enabled disabled active inactive
    starting stopped running idle done cancelled success inbound outbound incoming outgoing
    """.split()  # noqa: SIM905 - a vocabulary reads as text
)
"""Values that say nothing about a person: an ambiguous name that holds one of them is a state (``to=queued``)."""

PLACES: Final = {"N": "0-9", "S": "T ", "U": "smhdwMy", "V": r"+ \-"}
"""The class behind each capital of `TECHNICAL_TIMES`."""
TECHNICAL_TIMES: Final = (
    "20NN-NN-NN",
    *(
        f"20NN-NN-NNSNN:NN{seconds}{zone}"
        for seconds in ("", ":NN", ":NN.NNN", ":NN.NNNNNN", ":NN.NNNNNNNNN")
        for zone in ("", "z", "VNN:NN", "VNNNN")
    ),
    *(f"now{ago}{whole}" for ago in ("", "VNU", "VNNU", "VNNNU") for whole in ("", "/U")),
)
"""Days, times and Grafana's ``now-1h``: under ``from`` and ``to`` they are ends of a span of time, no phones."""

TECHNICAL_OWNERS: Final = frozenset(
    """
    thread host span queue job task service file module event function logger db database table column index metric
    server node pod container image process worker class method branch package plugin flow trace scope field param
    parameter header variable attribute key tag label instrument instance device role policy rule alert dashboard
    exchange topic stream bucket cluster namespace network pool route handler operation test suite step template
    """.split()  # noqa: SIM905 - a vocabulary reads as text
)
"""Words before ``name`` in a text that make it the name of a thing (``thread name=worker-1``)."""

TECHNICAL_IDS: Final = frozenset(
    """
    order media number account business waba template flow app page ad ads campaign product catalog catalogue invoice
    transaction payment charge ticket job task run build row button list step node event request trace span instance
    file document asset store shop item sku cart subscription plan batch offset partition queue worker process thread
    pedido fatura produto loja conta cobranca nota
    """.split()  # noqa: SIM905 - a vocabulary reads as text
)
"""Words before ``id`` whose bare numbers are ids (``order_id=393857082423``), and never a phone."""

PROSE_OWNERS: Final = frozenset({"message", "mensagem", "msg", "text", "texto", "body", "caption", "conteudo"})
PROSE_ENDINGS: Final = frozenset({"status", "state", "type", "kind", "format", "source", "template", "field"})

TELEMETRY_NAMESPACES: Final = frozenset(
    """
    app artifact asgi aws azure browser cicd client cloud code collector container cpu db deployment destination
    device disk dns elasticsearch err error event exception faas feature_flag file flow gcp gen_ai geo host http job
    k8s log logger messaging net network nodejs oci opentracing os otel otelcol peer process python queue rpc scope
    server service session signalr source span sqlalchemy state system task telemetry template test thread tls
    trigger url user_agent vcs webengine whatsself worker
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

_WORD: Final = re.compile(
    r"(?<![A-Za-z])[eE]164|(?<=[a-z])E164|(?i:base64)|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+"
)
_HEADER: Final = re.compile(r"^http\.(?:request|response)\.header\.")


class KeyPlan(NamedTuple):
    """How the values of one key are treated."""

    rule: str | None = None
    """Every value is masked under this rule; None: the detectors decide."""
    reader: str = "text"
    """How a string is read: ``text``, ``url`` or ``sql``."""
    numbers_pass: bool = False
    """Numbers are measurements here, not phones."""
    ambiguous: bool = False
    """The word has other meanings, so that unquoted prose (``from: closed``) is no evidence."""
    spared: re.Pattern[str] | None = None
    """Texts that stay though the name has a rule, in full: technical words and times (``to=queued``)."""
    has_contents: bool = False
    """A mapping or list under this name holds people's words, under any names."""
    numbers_read: bool = False
    """Numbers are not masked under the rule, but read by the detectors."""

    def inner(self) -> KeyPlan:
        """Return the plan of a container's items that have no rule themselves."""
        return CONTENT_PLAN if self.rule is None and self.has_contents else self


_VALUES: Final = re.compile("|".join(TECHNICAL_VALUES), re.IGNORECASE)
_TIMES: Final = ("".join(f"[{PLACES.get(char, char)}]" for char in form) for form in TECHNICAL_TIMES)
_VALUES_OR_TIMES: Final = re.compile("|".join((*TECHNICAL_VALUES, *_TIMES)), re.IGNORECASE)
_WORD_ONLY: Final = re.compile(r"[a-z0-9][a-z0-9_.:/-]{0,63}")
_FEW_WORDS: Final = re.compile(r"\S{0,64}(?: \S{1,64})?")
NO_PLAN: Final = KeyPlan()
CONTENT_PLAN: Final = KeyPlan("body", numbers_read=True)
SECRET_PLAN: Final = KeyPlan("secret")
PAIR_NAMES: Final = ("name", "key", "header", "field", "n", "k", "param", "variable")
"""Names of the half that names the value (``{"name": "authorization", "value": …}``)."""
PAIR_VALUES: Final = ("value", "val", "v", "content", "data")
"""Names of the other half of such a pair: its value."""


def words_of(name: str) -> list[str]:
    """The lower-case words of *name*, numbers left out."""
    return [word.lower() for word in _WORD.findall(name) if not word.isdigit()]


def normal_key(name: str) -> str:
    """*name* in lower snake case, the form that rules and allow lists are compared in."""
    return ".".join("_".join(words_of(part)) for part in name.split("."))


class KeyRules:
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
        self._phrases = {name: rule.rule for rule in KEY_RULES for name in rule.phrases}
        self._qualified: dict[str, dict[str, str]] = {}
        for rule in KEY_RULES:
            for word, before in rule.qualified:
                self._qualified.setdefault(word, {}).update(dict.fromkeys(before.split(), rule.rule))

    def endings(self, size: int) -> frozenset[str]:
        """The last *size* letters of the masked names that have them, for a cheap test before a lookup."""
        names = [*self._strict, *self._exact, *self._whole, *self._phrases, *self._qualified, *self._extra]
        return frozenset(name[-size:] for name in names if len(name) == size or (len(name) > size > 2))

    def plan(self, key: str) -> KeyPlan:  # noqa: PLR0911 - one line a rule, in their order
        """Return the plan of values under *key*."""
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
        if not technical and (found := self._ambiguous_plan(words)) is not None:
            return found
        if words[-1] in PROSE_ENDINGS and len(words) > 1 and words[0] in PROSE_OWNERS:
            return KeyPlan("body", numbers_pass=True, ambiguous=True, spared=_FEW_WORDS)
        if words[-1] in {"id", "ids"} and len(words) > 1 and words[-2] in TECHNICAL_IDS:
            return KeyPlan(reader="id", numbers_pass=True)
        return KeyPlan(
            reader=_reader(key),
            numbers_pass=technical or _measures(words),
            has_contents=not technical and "_".join(words) in CONTENT_PARENTS,
        )

    def child(self, parent: KeyPlan, key: str, own: KeyPlan) -> KeyPlan:
        """Return the plan of values under *key* in a container whose contents have the plan *parent*."""
        if parent.rule is None or own.rule is not None or own.numbers_pass or is_identifier(key):
            return own
        return parent

    def _rule(self, words: list[str]) -> str | None:
        for size in range(1, min(4, len(words)) + 1):
            if (rule := self._exact.get("_".join(words[-size:]))) is not None:
                return rule
        if words[-1] in HARMLESS_ENDINGS:
            return None
        return next((self._strict[word] for word in reversed(words) if word in self._strict), None)

    def _ambiguous_plan(self, words: list[str]) -> KeyPlan | None:
        name = "_".join(words)
        if (rule := self._phrases.get(name)) is not None:
            return KeyPlan(rule, ambiguous=True, spared=_WORD_ONLY, numbers_read=True)
        if (rule := self._whole.get(name)) is not None:
            if name in _NEVER_TECHNICAL:
                return KeyPlan(rule)
            spared = _VALUES_OR_TIMES if rule == "phone" else _VALUES
            return KeyPlan(rule, numbers_pass=name == "messages", ambiguous=True, spared=spared)
        rule = self._qualified.get(words[-1], {}).get(words[-2]) if len(words) > 1 else None
        return KeyPlan(rule, ambiguous=True) if rule is not None else None


_NEVER_TECHNICAL: Final = frozenset({"text", "texto", "quoted", "conteudo", "resposta", "latitude", "longitude"})
"""Whole names that say what follows even in unquoted prose (``text: oi``)."""


def is_identifier(key: str) -> bool:
    """Return whether *key* names an id or a kind: such values stay, even below a masked name."""
    words = words_of(key)
    return bool(words) and words[-1] in {"id", "ids", "type", "kind", "status", "mimetype"}


def _reader(key: str) -> str:
    name = _HEADER.sub("", key).lower()
    return "sql" if name in SQL_KEYS else "url" if name in URL_KEYS else "text"


def _measures(words: list[str]) -> bool:
    return words[-1] in HARMLESS_ENDINGS and words[-1] not in {"id", "ids"}
