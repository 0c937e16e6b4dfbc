"""Every name that this package puts on the wire: the single source of metrics, attributes, buckets and log fields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from whatsself_otel.metrics.prometheus_names import prometheus_name

REQUEST_ID: Final = "requestId"
CONTACT_ID: Final = "contactId"
MESSAGE_ID: Final = "messageId"
TRIGGER_ID: Final = "triggerId"
FLOW_ID: Final = "flowId"
STEP_KEY: Final = "stepKey"
ROUTE: Final = "route"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.33.0"
"""The first version of the conventions with stable names for all attributes of our spans and metrics."""
SESSION: Final = "session"
EVENT: Final = "event"

OTHER: Final = "other"
"""The value that replaces one outside its closed set; ``telemetry.errors`` counts each replacement."""

OVERFLOW: Final = "otel.metric.overflow"
"""Attribute of the series for measurements beyond a cardinality limit (OpenTelemetry metrics SDK specification)."""


class Kind(StrEnum):
    """The instrument behind a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Pii(StrEnum):
    """How personal a value may be."""

    NONE = "none"
    IDENTIFIER = "identifier"
    CONTENT = "content"


class Aggregation(StrEnum):
    """The one right aggregation of a metric's series across workers."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"
    RECOMPUTE = "recompute"


class Exposition(StrEnum):
    """How a metric reaches Prometheus: pushed by OTLP, or scraped from ``/metrics``."""

    OTLP = "otlp"
    SCRAPE = "scrape"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One sentence in both languages of the documentation."""

    en: str
    pt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSpec:
    """One metric attribute."""

    name: str
    description: Text
    values: tuple[str, ...] = ()
    """The allowed values, ``other`` included. Empty if any value is allowed; then the cardinality limit bounds them."""
    pii: Pii = Pii.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric: its OpenTelemetry name and everything derived from it."""

    name: str
    kind: Kind
    unit: str
    """UCUM; ``s`` adds ``_seconds`` in Prometheus, ``{...}`` and the empty unit add nothing, ``1`` is never used."""
    description: Text
    aggregation: Aggregation
    attributes: tuple[AttributeSpec, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The name in Prometheus, by OTLP and by scrape; a histogram adds ``_bucket``, ``_sum`` and ``_count``."""
        return prometheus_name(self.name, unit=self.unit, kind=self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogField:
    """One field of a log line."""

    name: str
    description: Text
    pii: Pii = Pii.NONE


def bucket_label(bound: float, exposition: Exposition) -> str:
    """Spell a histogram bound as its ``le`` label: ``120`` by OTLP, ``120.0`` by scrape (rules match both)."""
    if math.isinf(bound):
        return "+Inf"
    return f"{bound:f}".rstrip("0").rstrip(".") if exposition is Exposition.OTLP else repr(float(bound))


def _text(en: str, pt: str) -> Text:
    return Text(en=en, pt=pt)


def _attribute(name: str, en: str, pt: str, *, values: tuple[str, ...] = (), pii: Pii = Pii.NONE) -> AttributeSpec:
    return AttributeSpec(name=name, description=_text(en, pt), values=values, pii=pii)


def _counter(name: str, unit: str, en: str, pt: str, *attributes: AttributeSpec) -> MetricSpec:
    return MetricSpec(
        name=name,
        kind=Kind.COUNTER,
        unit=unit,
        description=_text(en, pt),
        aggregation=Aggregation.SUM,
        attributes=attributes,
    )


def _gauge(
    name: str, unit: str, en: str, pt: str, *attributes: AttributeSpec, aggregation: Aggregation = Aggregation.MAX
) -> MetricSpec:
    return MetricSpec(
        name=name, kind=Kind.GAUGE, unit=unit, description=_text(en, pt), aggregation=aggregation, attributes=attributes
    )


def _histogram(name: str, en: str, pt: str, *attributes: AttributeSpec, buckets: tuple[float, ...]) -> MetricSpec:
    return MetricSpec(
        name=name,
        kind=Kind.HISTOGRAM,
        unit="s",
        description=_text(en, pt),
        aggregation=Aggregation.SUM,
        attributes=attributes,
        buckets=buckets,
    )


# Attributes, then metrics: name, unit, English, Portuguese, and what is not as usual.
# fmt: off
ORIGIN: Final = _attribute("origin",
    "What made the application send.", "O que fez a aplicação enviar.",
    values=("reply", "broadcast", "manual", OTHER))
MESSAGE_KIND: Final = _attribute("kind",
    "Type of the message received.", "Tipo da mensagem recebida.",
    values=(
        "text", "image", "audio", "video", "document", "sticker", "location", "contact", "reaction", "interactive",
        OTHER,
    ))
FAILURE_REASON: Final = _attribute("reason",
    "Why the attempt failed.", "Por que a tentativa falhou.",
    values=(
        "rate_limited", "breaker_open", "session_down", "not_on_whatsapp", "blocked", "opted_out", "media", "timeout",
        "network", "provider_error", "outside_window", "marketing_limit", "template", "payment", "auth",
        "account_restricted", "recipient_identity", "undeliverable", "maintenance", "group", "experiment",
        "registration", "invalid_request", "flow", "call", OTHER,
    ))
FAILURE_FAULT: Final = _attribute("fault",
    "Whose fault it is: what an operator can change is ours.",
    "De quem é a falha: o que o operador pode mudar é nosso (ours).",
    values=("ours", "provider", "recipient"))
FAILURE_STAGE: Final = _attribute("stage",
    "When it failed: send, refused at once; delivery, after the provider had accepted it.",
    "Quando falhou: send, recusada na hora; delivery, depois de aceita pelo provedor.",
    values=("send", "delivery"))
DELIVERY_STATUS: Final = _attribute("status",
    "What WhatsApp acknowledged.", "O que o WhatsApp confirmou.",
    values=("delivered", "read", OTHER))
BILLING_CATEGORY: Final = _attribute("category",
    "What the provider bills the message as.", "Como o provedor cobra a mensagem.",
    values=("marketing", "utility", "authentication", "service", OTHER))
CONSENT_ACTION: Final = _attribute("action",
    "What the contact decided.", "O que o contato decidiu.",
    values=("opt_in", "opt_out", OTHER))
SESSION_STATE: Final = _attribute("state",
    "State of the session; each one is exported, 1 for the present state and 0 for the rest.",
    "Estado da sessão; todos são exportados, 1 para o estado atual e 0 para os demais.",
    values=(
        "starting", "qr_pending", "connected", "disconnected", "logged_out", "expired", "restricted", "banned", OTHER,
    ))
DISCONNECT_REASON: Final = _attribute("reason",
    "Why the session was lost.", "Por que a sessão caiu.",
    values=("transient", "restart", "logged_out", "replaced", "banned", OTHER))
BREAKER_STATE: Final = _attribute("state",
    "State of the contact's circuit breaker.", "Estado do disjuntor do contato.",
    values=("half_open", "open"))
SESSION_NAME: Final = _attribute(SESSION,
    "The WhatsApp session, by its internal name; main unless told otherwise, a pseudonym where the name is a phone.",
    "A sessão do WhatsApp, pelo nome interno; main se nada for dito, um pseudônimo se o nome é um telefone.",
    pii=Pii.IDENTIFIER)
TEMPLATE: Final = _attribute("template",
    "The message template, by name and language; those past the cap share one series.",
    "O modelo de mensagem, por nome e idioma; os além do limite dividem uma série.")
TEMPLATE_STATE: Final = _attribute("state",
    "State of the template; each one is exported, 1 for the present state and 0 for the rest.",
    "Estado do modelo; todos são exportados, 1 para o estado atual e 0 para os demais.",
    values=("approved", "pending", "rejected", "paused", "disabled", "flagged", "deleted", OTHER))
QUALITY_RATING: Final = _attribute("rating",
    "WhatsApp's rating of the number; each one is exported, 1 for the present rating and 0 for the rest.",
    "Nota do WhatsApp para o número; todas são exportadas, 1 para a nota atual e 0 para as demais.",
    values=("green", "yellow", "red", "unknown", OTHER))
PROVIDER: Final = _attribute("provider",
    "Where the webhook comes from.", "De onde vem o webhook.",
    values=("cloud_api", "evolution", "waha", "baileys", "zapi", "wppconnect", "twilio", OTHER))
WEBHOOK_EVENT: Final = _attribute("event",
    "The provider's name of the event; of unknown ones 20 names, the rest is other.",
    "O nome do evento no provedor; dos desconhecidos 20 nomes, o resto vira other.")
WEBHOOK_REJECTION: Final = _attribute("reason",
    "Why the webhook was not read.", "Por que o webhook não foi lido.",
    values=("signature", "malformed", "too_large", OTHER))
CALL_DIRECTION: Final = _attribute("direction",
    "Who calls: inbound, the contact.", "Quem liga: inbound, o contato.",
    values=("inbound", "outbound", OTHER))
CALL_OUTCOME: Final = _attribute("outcome",
    "What became of the call; offered counts every call, the others what is told of it later.",
    "O que foi da chamada; offered conta toda chamada, os demais o que se soube depois.",
    values=("offered", "accepted", "rejected", "missed", "completed", "failed", OTHER))
BRIDGE_OUTCOME: Final = _attribute("outcome",
    "What became of the request: forwarded, queued, answered by the bridge itself, refused by the target, failed "
    "because the target was away, unauthorized, too_large, or busy because the bridge could take no more.",
    "O que foi da requisição: forwarded, encaminhada; queued, na fila; answered, respondida pela própria bridge; "
    "refused, recusada pelo destino; failed, destino fora do ar; unauthorized, sem permissão; too_large, grande "
    "demais; busy, a bridge não podia receber mais.",
    values=("forwarded", "queued", "answered", "refused", "failed", "unauthorized", "too_large", "busy", OTHER))
BRIDGE_SETTLED: Final = _attribute("outcome",
    "Why the request left the queue: delivered, refused by the target for good, expired, or unreadable.",
    "Por que a requisição saiu da fila: delivered, entregue; refused, recusada de vez pelo destino; expired, velha "
    "demais; unreadable, arquivo ilegível.",
    values=("delivered", "refused", "expired", "unreadable", OTHER))
BREAKER_CONTACT: Final = _attribute(CONTACT_ID,
    "A contact whose breaker is not closed; the only identifier among metric attributes, capped.",
    "Um contato cujo disjuntor não está fechado; o único identificador entre os atributos de métricas, limitado.",
    pii=Pii.IDENTIFIER)
TRIGGER: Final = _attribute(TRIGGER_ID,
    "The trigger, by its internal id.", "O gatilho, pelo id interno.")
FLOW: Final = _attribute(FLOW_ID,
    "The flow, by its internal id.", "O fluxo, pelo id interno.")
STEP: Final = _attribute(STEP_KEY,
    "The step's key within its flow.", "A chave da etapa dentro do fluxo.")
POOL: Final = _attribute("pool",
    "The engine, by the name given when it was instrumented.", "O engine, pelo nome dado ao instrumentá-lo.")
SIGNAL: Final = _attribute("signal",
    "The kind of telemetry.", "O tipo de telemetria.",
    values=("traces", "metrics", "logs", OTHER))
DROP_REASON: Final = _attribute("reason",
    "Why telemetry was dropped.", "Por que a telemetria foi descartada.",
    values=(
        "queue_full", "export_failed", "rejected", "too_large", "not_encodable", "deadline", "shutdown",
        "after_shutdown", "cardinality_limit", "tracking_limit", OTHER,
    ))
RETRY_REASON: Final = _attribute("reason",
    "Why telemetry is sent again.", "Por que a telemetria é enviada de novo.",
    values=("throttled", "unavailable", "unreachable", "timeout", OTHER))
RULE: Final = _attribute("rule",
    "The masking rule that replaced the value.", "A regra de mascaramento que trocou o valor.")
COMPONENT: Final = _attribute("component",
    "The part of this package that failed.", "A parte deste pacote que falhou.",
    values=(
        "unknown_value", "callback", "metrics", "masking", "context", "logs", "export", "instrumentation", "config",
        "whatsapp", OTHER,
    ))
HTTP_METHOD: Final = _attribute("http.request.method",
    "HTTP method; an unknown one is _OTHER.", "Método HTTP; um desconhecido vira _OTHER.",
    values=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "_OTHER"))
HTTP_ROUTE: Final = _attribute("http.route",
    "Route template, never the path itself.", "Modelo da rota, nunca o caminho em si.")
HTTP_STATUS: Final = _attribute("http.response.status_code",
    "HTTP status code; none if the request was cancelled or its client went before the answer began.",
    "Código de status HTTP; nenhum se a requisição foi cancelada ou o cliente saiu antes do início da resposta.")
PROTOCOL_VERSION: Final = _attribute("network.protocol.version",
    "Version of HTTP; none if unknown.", "Versão do HTTP; nenhuma se desconhecida.",
    values=("1.0", "1.1", "2", "3"))
URL_SCHEME: Final = _attribute("url.scheme",
    "The scheme; an unknown one is other.", "O esquema; um desconhecido vira other.",
    values=("http", "https", "ws", "wss", OTHER))
ERROR_TYPE: Final = _attribute("error.type",
    "Status code of a 5xx answer, else the exception: also of a stream that broke after a 200.",
    "Código de uma resposta 5xx, senão a exceção: também de um stream que parou depois de um 200.")

MESSAGES_OUTBOUND: Final = _counter("messages.outbound", "{message}",
    "Attempts to send that the provider accepted or refused. Delivered in a day = increase of this - increase of the "
    "failed.",
    "Tentativas de envio que o provedor aceitou ou recusou. Entregas no dia = aumento desta menos aumento das falhas.",
    ORIGIN, SESSION_NAME)
MESSAGES_OUTBOUND_FAILED: Final = _counter("messages.outbound.failed", "{message}",
    "Messages refused, or failed after acceptance, which adds nothing to outbound. Success ratio = 1 - failed / "
    "outbound, at least 0: failures may come in a later window.",
    "Mensagens recusadas, ou que falharam depois de aceitas, o que nada soma aos envios. Taxa de sucesso = 1 - falhas "
    "/ envios, no mínimo 0: falhas podem chegar em uma janela posterior.",
    FAILURE_REASON, FAILURE_FAULT, FAILURE_STAGE, SESSION_NAME)
MESSAGES_INBOUND: Final = _counter("messages.inbound", "{message}",
    "Messages received, each once however often it is told; no history, edits, reactions or notices.",
    "Mensagens recebidas, cada uma uma vez por mais que seja repetida; sem histórico, edições, reações ou avisos.",
    MESSAGE_KIND, SESSION_NAME)
MESSAGES_DELIVERED: Final = _counter("messages.delivered", "{message}",
    "Acknowledgements from WhatsApp.", "Confirmações do WhatsApp.",
    DELIVERY_STATUS, SESSION_NAME)
MESSAGE_DELIVERY_LATENCY: Final = _histogram("message.delivery_latency",
    "Time from the provider's acceptance of a message to its acknowledgement, where this process saw both.",
    "Tempo da aceitação de uma mensagem pelo provedor até a confirmação, se este processo viu as duas.",
    DELIVERY_STATUS,
    buckets=(0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 10800, 86400))
MESSAGES_BILLABLE: Final = _counter("messages.billable", "{message}",
    "Messages that the provider bills.", "Mensagens que o provedor cobra.",
    BILLING_CATEGORY)
DELIVERY_SUCCESS_RATIO: Final = _gauge("delivery.success_ratio", "",
    "1 - failed / outbound over the last 24 hours of this process; absent without attempts.",
    "1 - falhas / envios nas últimas 24 horas deste processo; ausente sem tentativas.",
    aggregation=Aggregation.RECOMPUTE)
FIRST_RESPONSE_LATENCY: Final = _histogram("first_response.latency",
    "Time from a contact's first unanswered message to the first reply, late ones included. Within the objective = "
    "(bucket le 120 - failed) / (bucket le 120 + unanswered).",
    "Tempo da primeira mensagem sem resposta de um contato até a primeira resposta, inclusive as tardias. Dentro "
    "do objetivo = (faixa le 120 - falhas) / (faixa le 120 + sem resposta).",
    buckets=(1, 2, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 1800, 3600))
FIRST_RESPONSE_UNANSWERED: Final = _counter("first_response.unanswered", "{contact}",
    "Contacts that waited over 120 s without a reply, counted once per wait; a late reply does not take it back.",
    "Contatos à espera há mais de 120 s sem resposta, contados uma vez por espera; resposta tardia não desfaz.")
FIRST_RESPONSE_FAILED: Final = _counter("first_response.failed", "{contact}",
    "First responses that failed after they were recorded: an objective subtracts them, a histogram cannot.",
    "Primeiras respostas que falharam depois de registradas: um objetivo as subtrai, um histograma não pode.")
QUEUE_DEPTH: Final = _gauge("queue.depth", "{message}",
    "Messages waiting to be sent, as the application's callback tells; workers share one queue.",
    "Mensagens à espera de envio, segundo o callback da aplicação; os workers compartilham uma fila.",
    SESSION_NAME)
QUEUE_OLDEST_AGE: Final = _gauge("queue.oldest_age", "s",
    "Age of the oldest message in the queue.", "Idade da mensagem mais antiga na fila.",
    SESSION_NAME)
RATE_GLOBAL: Final = _gauge("rate.global_per_min", "{message}",
    "Finished attempts in the last 60 s.", "Tentativas concluídas nos últimos 60 s.",
    aggregation=Aggregation.SUM)
RATE_PER_CONTACT: Final = _gauge("rate.per_contact_per_5min", "{message}",
    "Finished attempts in the last 300 s to the contact that has most of them.",
    "Tentativas concluídas nos últimos 300 s para o contato que mais as tem.")
CB_STATE_GLOBAL: Final = _gauge("cb.state.global", "",
    "Global circuit breaker: 0 closed, 1 half-open, 2 open.",
    "Disjuntor global: 0 fechado, 1 meio-aberto, 2 aberto.")
CB_STATE_CONTACT: Final = _gauge("cb.state.contact", "",
    "Circuit breaker of a contact, 1 half-open, 2 open; closed ones have no series, those past the cap share one.",
    "Disjuntor de um contato, 1 meio-aberto, 2 aberto; fechados não têm série, os além do limite dividem uma.",
    BREAKER_CONTACT)
CB_CONTACTS: Final = _gauge("cb.contacts", "{contact}",
    "Contacts whose breaker is not closed.", "Contatos cujo disjuntor não está fechado.",
    BREAKER_STATE)
CB_FAIL_RATE: Final = _gauge("cb.fail_rate.window", "",
    "Failed / finished attempts over the breaker's window of 300 s, 0 to 1; 0 without attempts.",
    "Falhas / tentativas concluídas na janela de 300 s do disjuntor, de 0 a 1; 0 sem tentativas.")
TRIGGER_HITS: Final = _counter("trigger.hits", "{hit}",
    "Messages that matched a trigger.", "Mensagens que acionaram um gatilho.",
    TRIGGER)
FLOW_STARTED: Final = _counter("flow.started", "{run}",
    "Runs of a flow.", "Execuções de um fluxo.",
    FLOW)
FLOW_AUTO_STEPS: Final = _counter("flow.auto_steps", "{step}",
    "Steps a flow took by itself.", "Etapas que um fluxo deu sozinho.",
    FLOW)
FLOW_STEP_ENTERED: Final = _counter("flow.step_entered", "{step}",
    "Entries into a step.", "Entradas em uma etapa.",
    FLOW, STEP)
FLOW_STEP_COMPLETED: Final = _counter("flow.step_completed", "{step}",
    "Steps completed. Drop-off = 1 - completed / entered.",
    "Etapas concluídas. Abandono = 1 - concluídas / entradas.",
    FLOW, STEP)
CONTACT_CONSENT: Final = _counter("contact.consent", "{contact}",
    "Contacts that opted in or out.", "Contatos que aceitaram ou recusaram receber mensagens.",
    CONSENT_ACTION)
CONTACT_INBOUND_MAX: Final = _gauge("contact.inbound_max_5m", "{message}",
    "Messages in the last 300 s from the contact that sent most: abuse, or a bot on the other side.",
    "Mensagens nos últimos 300 s do contato que mais enviou: abuso, ou um robô do outro lado.")
WHATSAPP_SESSION_STATE: Final = _gauge("whatsapp.session.state", "",
    "State of the session, one series a state.", "Estado da sessão, uma série por estado.",
    SESSION_NAME, SESSION_STATE)
WHATSAPP_SESSION_CONNECTED: Final = _gauge("whatsapp.session.connected", "",
    "1 while the session is connected; one that shows a QR code is not.",
    "1 enquanto a sessão está conectada; a que mostra um QR code não está.",
    SESSION_NAME)
WHATSAPP_SESSION_DOWN_SINCE: Final = _gauge("whatsapp.session.down_since_timestamp", "s",
    "When the session was lost, or was first seen not connected; Unix time, 0 while connected.",
    "Quando a sessão caiu, ou foi vista sem conexão pela primeira vez; hora Unix, 0 enquanto conectada.",
    SESSION_NAME)
WHATSAPP_QR_ISSUED: Final = _gauge("whatsapp.qr.issued_timestamp", "s",
    "When the QR code that still waits was issued; Unix time, 0 when none waits. Never the code itself.",
    "Quando foi emitido o QR code que ainda espera; hora Unix, 0 se nenhum espera. Nunca o código em si.",
    SESSION_NAME)
WHATSAPP_SESSION_DISCONNECTS: Final = _counter("whatsapp.session.disconnects", "{disconnect}",
    "Losses of the session; one until it is connected again, however often it fails to reconnect.",
    "Quedas da sessão; uma só até conectar de novo, por mais que a reconexão falhe.",
    SESSION_NAME, DISCONNECT_REASON)
WHATSAPP_SESSION_RECOVERY: Final = _histogram("whatsapp.session.recovery",
    "Time from the loss of a session that was connected to its next connection.",
    "Tempo da queda de uma sessão que estava conectada até a próxima conexão.",
    SESSION_NAME,
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600))
WHATSAPP_TEMPLATE_STATE: Final = _gauge("whatsapp.template.state", "",
    "State of a message template, one series a state.", "Estado de um modelo de mensagem, uma série por estado.",
    TEMPLATE, TEMPLATE_STATE)
WHATSAPP_QUALITY_RATING: Final = _gauge("whatsapp.quality_rating", "",
    "WhatsApp's rating of the number, one series a rating.", "Nota do WhatsApp para o número, uma série por nota.",
    SESSION_NAME, QUALITY_RATING)
WHATSAPP_MESSAGING_LIMIT: Final = _gauge("whatsapp.messaging_limit", "{contact}",
    "Contacts a day that the business may write to first; -1 without a limit.",
    "Contatos por dia a quem a empresa pode escrever primeiro; -1 sem limite.",
    SESSION_NAME)
WEBHOOK_EVENTS: Final = _counter("webhook.events", "{event}",
    "Events that came by webhook, repeats included.", "Eventos que chegaram por webhook, repetições incluídas.",
    PROVIDER, WEBHOOK_EVENT)
WEBHOOK_DUPLICATES: Final = _counter("webhook.duplicates", "{event}",
    "Events that the provider told once more; they move nothing else.",
    "Eventos que o provedor repetiu; não alteram mais nada.",
    PROVIDER)
WEBHOOK_REJECTED: Final = _counter("webhook.rejected", "{event}",
    "Webhooks that were not read.", "Webhooks que não foram lidos.",
    PROVIDER, WEBHOOK_REJECTION)
WEBHOOK_LAG: Final = _histogram("webhook.lag",
    "Time from an event, by the provider's clock, to its receipt; history and repeats left out.",
    "Tempo de um evento, pelo relógio do provedor, até a sua chegada; sem histórico e repetições.",
    PROVIDER,
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 10800, 86400))
CALLS: Final = _counter("calls", "{call}",
    "Calls, once for each outcome that is told.", "Chamadas, uma vez por desfecho informado.",
    CALL_DIRECTION, CALL_OUTCOME)
BRIDGE_REQUESTS: Final = _counter("bridge.requests", "{request}",
    "Requests that the bridge answered.", "Requisições que a bridge respondeu.",
    PROVIDER, BRIDGE_OUTCOME)
BRIDGE_FORWARD_DURATION: Final = _histogram("bridge.forward.duration",
    "Time that the target took to answer, or to fail.", "Tempo que o destino levou para responder, ou para falhar.",
    PROVIDER,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))
BRIDGE_QUEUE_DEPTH: Final = _gauge("bridge.queue.depth", "{request}",
    "Requests that wait for their target.", "Requisições à espera do destino.",
    aggregation=Aggregation.SUM)
BRIDGE_QUEUE_OLDEST_AGE: Final = _gauge("bridge.queue.oldest_age", "s",
    "Age of the oldest request that waits; 0 if none does.",
    "Idade da requisição mais antiga à espera; 0 se nenhuma espera.")
BRIDGE_QUEUE_SETTLED: Final = _counter("bridge.queue.settled", "{request}",
    "Requests that left the queue.", "Requisições que saíram da fila.",
    BRIDGE_SETTLED)
BUSINESS_OPEN: Final = _gauge("business.open", "",
    "1 within business hours and a minute before, else 0; absent where none are set.",
    "1 no horário comercial e um minuto antes, senão 0; ausente se não há horário.")
PROCESS_UPTIME: Final = _gauge("process.uptime", "s",
    "Age of the process.", "Idade do processo.",
    aggregation=Aggregation.MIN)
EVENT_LOOP_LAG: Final = _gauge("event_loop.lag", "s",
    "Longest delay of the event loop since the last export, a delay still under way included.",
    "Maior atraso do event loop desde a última exportação, inclusive um atraso em curso.")
DB_POOL_IN_USE: Final = _gauge("db.pool.in_use", "{connection}",
    "Connections checked out.", "Conexões em uso.",
    POOL,
    aggregation=Aggregation.SUM)
DB_POOL_MAX: Final = _gauge("db.pool.max", "{connection}",
    "Connections the pool may open, overflow included; absent where there is no limit.",
    "Conexões que o pool pode abrir, com o excedente; ausente onde não há limite.",
    POOL,
    aggregation=Aggregation.SUM)
DB_POOL_OVERFLOW: Final = _gauge("db.pool.overflow", "{connection}",
    "Connections open beyond the pool's size.", "Conexões abertas além do tamanho do pool.",
    POOL,
    aggregation=Aggregation.SUM)
DB_POOL_WAIT: Final = _histogram("db.pool.wait",
    "Time to obtain a connection from the pool, a new connection's set-up included.",
    "Tempo para obter uma conexão do pool, com a abertura de uma nova.",
    POOL,
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))
HTTP_SERVER_REQUEST_DURATION: Final = _histogram("http.server.request.duration",
    "Time to answer a request, background tasks excluded.",
    "Tempo para responder a uma requisição, sem as tarefas em segundo plano.",
    HTTP_ROUTE, HTTP_METHOD, HTTP_STATUS, URL_SCHEME, PROTOCOL_VERSION, ERROR_TYPE,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
TELEMETRY_DROPPED: Final = _counter("telemetry.dropped_items", "{item}",
    "Telemetry that was lost, and why.", "Telemetria perdida, e por quê.",
    SIGNAL, DROP_REASON)
TELEMETRY_RETRIED: Final = _counter("telemetry.retried_items", "{item}",
    "Telemetry that was not taken and is sent again, once for each time.",
    "Telemetria que não foi aceita e é enviada de novo, uma vez por tentativa.",
    SIGNAL, RETRY_REASON)
TELEMETRY_MASKED: Final = _counter("telemetry.masked_values", "{value}",
    "Values masked before they left.", "Valores mascarados antes de sair.",
    RULE)
TELEMETRY_ERRORS: Final = _counter("telemetry.errors", "{error}",
    "Errors inside the telemetry, none of which reached the application.",
    "Erros dentro da telemetria, nenhum dos quais chegou à aplicação.",
    COMPONENT)
# fmt: on

METRICS: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, MetricSpec))
"""Every metric this package records."""

SESSION_EVENTS: Final = ("connected", "disconnected", "qr_updated", "expired")
"""Values of the log field ``event``."""

LOG_LEVELS: Final = ("trace", "debug", "info", "warn", "error", "fatal")
"""Values of the log field ``level``, in Pino's words."""

LOG_FIELDS: Final = (
    LogField(name="level", description=_text("Severity, in Pino's words.", "Severidade, nas palavras do Pino.")),
    LogField(
        name="ts", description=_text("UTC time, ISO 8601 with milliseconds.", "Hora UTC, ISO 8601 com milissegundos.")
    ),
    LogField(name="msg", description=_text("The message, masked.", "A mensagem, mascarada."), pii=Pii.CONTENT),
    LogField(name="logger", description=_text("Name of the logger.", "Nome do logger.")),
    LogField(name=REQUEST_ID, description=_text("Id of the HTTP request.", "Id da requisição HTTP.")),
    LogField(name=ROUTE, description=_text("Route template of the request.", "Modelo de rota da requisição.")),
    LogField(
        name=CONTACT_ID,
        description=_text("Internal id of the contact, never a phone.", "Id interno do contato, nunca um telefone."),
        pii=Pii.IDENTIFIER,
    ),
    LogField(
        name=MESSAGE_ID, description=_text("Internal id of the message.", "Id interno da mensagem."), pii=Pii.IDENTIFIER
    ),
    LogField(name=TRIGGER_ID, description=_text("Id of the trigger.", "Id do gatilho.")),
    LogField(name=FLOW_ID, description=_text("Id of the flow.", "Id do fluxo.")),
    LogField(name=STEP_KEY, description=_text("Key of the flow's step.", "Chave da etapa do fluxo.")),
    LogField(name=SESSION, description=_text("The WhatsApp session.", "A sessão do WhatsApp."), pii=Pii.IDENTIFIER),
    LogField(name=EVENT, description=_text("What happened to the session.", "O que aconteceu com a sessão.")),
    LogField(name="traceId", description=_text("Id of the trace.", "Id do trace.")),
    LogField(name="spanId", description=_text("Id of the span.", "Id do span.")),
    LogField(
        name="err",
        description=_text(
            "type, message and stack of the exception, masked.", "type, message e stack da exceção, mascarados."
        ),
        pii=Pii.CONTENT,
    ),
)
"""Every field of a log line that this package writes itself; an application's own extras stand beside them, masked."""
