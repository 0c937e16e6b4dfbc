"""Sending: do messages arrive, and does the breaker stand in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import CB_STATE_GLOBAL, MESSAGES_OUTBOUND, MESSAGES_OUTBOUND_FAILED
from whatsself_otel.operations.model import Alert, Check, Group, Inhibition, Page, Record, Words
from whatsself_otel.operations.promql import ENVIRONMENT, SESSION, highest, increase, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

SEND_FAILURE_HIGH: Final = Words(
    en=Page(
        summary="{{ $value | humanizePercentage }} of sends fail, and we can change it",
        description=(
            "More than <%sending.fail_ratio> of at least <sending.min_attempts> attempts in <sending.window> failed "
            "for good, for reasons of our own: session, pace, template, account, request."
        ),
        impact="Customers do not get messages; at the same ratio the breaker stops all sending.",
        fix=(
            "Look at the reason. session_down: the session. network: the connection. rate_limited: the pace. template, "
            "invalid_request: the last change. auth, payment, registration, account_restricted: the account."
        ),
    ),
    pt=Page(
        summary="{{ $value | humanizePercentage }} dos envios falham, e podemos mudar isso",
        description=(
            "Mais de <%sending.fail_ratio> de ao menos <sending.min_attempts> tentativas em <sending.window> falharam "
            "em definitivo, por motivos nossos: sessão, ritmo, modelo, conta, requisição."
        ),
        impact="Clientes não recebem mensagens; com a mesma taxa o disjuntor para todo envio.",
        fix=(
            "Olhe o motivo. session_down: a sessão. network: a conexão. rate_limited: o ritmo. template, "
            "invalid_request: a última mudança. auth, payment, registration, account_restricted: a conta."
        ),
    ),
    checks=(
        Check(
            en="Failures by reason",
            pt="Falhas por motivo",
            promql="sum by (reason) (increase(messages_outbound_failed_total{<job>}[10m])) > 0",
        ),
        Check(
            en="Attempts by origin",
            pt="Tentativas por origem",
            promql="sum by (origin) (increase(messages_outbound_total{<job>}[10m])) > 0",
        ),
        Check(
            en="Traces that failed",
            pt="Traces que falharam",
            traceql='{ resource.service.name = "<service>" && status = error }',
        ),
    ),
)
BREAKER_OPEN: Final = Words(
    en=Page(
        summary="The circuit breaker is open: sending is stopped",
        description=(
            "Too many sends failed; the breaker protects the number from a ban and tries again after its cool-down."
        ),
        impact="Nothing is sent until one probe succeeds.",
        fix=(
            "Find the cause by the reasons of failure and remove it; the breaker closes by itself. Do not force it "
            "closed."
        ),
    ),
    pt=Page(
        summary="O disjuntor está aberto: os envios pararam",
        description=(
            "Envios demais falharam; o disjuntor protege o número de um banimento e tenta de novo após a espera."
        ),
        impact="Nada é enviado até uma tentativa dar certo.",
        fix="Ache a causa pelos motivos das falhas e remova-a; o disjuntor fecha sozinho. Não force o fechamento.",
    ),
    checks=(
        Check(
            en="0 closed, 1 half-open, 2 open",
            pt="0 fechado, 1 meio-aberto, 2 aberto",
            promql="max by (job) (cb_state_global{<job>})",
        ),
        Check(
            en="Failure rate in its window",
            pt="Taxa de falhas na janela",
            promql="max by (job) (cb_fail_rate_window{<job>})",
        ),
        Check(
            en="Failures by reason",
            pt="Falhas por motivo",
            promql="sum by (reason) (increase(messages_outbound_failed_total{<job>}[30m])) > 0",
        ),
    ),
)
BREAKER_STUCK: Final = Words(
    en=Page(
        summary="The circuit breaker has not closed for <breaker.stuck_for>",
        description="It was open or half-open all that time, longer than its longest cool-down: the probes fail too.",
        impact="Nothing is sent, and it will not get better by itself.",
        fix=(
            "Session up? Number restricted? Send one message by hand from the phone. If that works, restart the "
            "application."
        ),
    ),
    pt=Page(
        summary="O disjuntor não fecha há <breaker.stuck_for>",
        description="Ficou aberto ou meio-aberto todo esse tempo, mais que a maior espera: as sondas também falham.",
        impact="Nada é enviado, e não melhora sozinho.",
        fix="Sessão de pé? Número restrito? Envie uma mensagem à mão pelo celular. Se funcionar, reinicie a aplicação.",
    ),
    checks=(
        Check(
            en="Breaker over time",
            pt="Disjuntor ao longo do tempo",
            promql="max by (job) (cb_state_global{<job>})",
        ),
        Check(
            en="Sessions",
            pt="Sessões",
            promql="max by (session, state) (whatsapp_session_state{<job>}) == 1",
        ),
        Check(
            en="Warnings and errors",
            pt="Avisos e erros",
            logql='{service_name="<service>"} | detected_level=~"warn|error"',
            logsql='{service.name="<service>"} severity_text:in(warn, error)',
        ),
    ),
)
PROVIDER_FAILING: Final = Words(
    en=Page(
        summary="WhatsApp or the way to it fails: {{ $value | humanizePercentage }} of sends",
        description=(
            "More than <%sending.fail_ratio> of at least <sending.min_attempts> attempts in <sending.window> failed at "
            "the provider, or timed out there."
        ),
        impact="Messages fail although nothing of ours is wrong.",
        fix="Look at the provider's status page and at your own network. Pause broadcasts until it is over.",
    ),
    pt=Page(
        summary="O WhatsApp ou o caminho até ele falha: {{ $value | humanizePercentage }} dos envios",
        description=(
            "Mais de <%sending.fail_ratio> de ao menos <sending.min_attempts> tentativas em <sending.window> falharam "
            "no provedor, ou por tempo esgotado nele."
        ),
        impact="Mensagens falham embora nada nosso esteja errado.",
        fix="Veja a página de status do provedor e a sua própria rede. Pause os disparos até acabar.",
    ),
    checks=SEND_FAILURE_HIGH.checks,
)
RECIPIENTS_FAILING: Final = Words(
    en=Page(
        summary="{{ $value | humanizePercentage }} of sends go to people who cannot get them",
        description=(
            "More than <%sending.fail_ratio> of at least <sending.min_attempts> attempts in <sending.window> failed "
            "because of the recipient: not on WhatsApp, opted out, blocked us."
        ),
        impact="No customer is harmed, but many such sends lead to a ban.",
        fix=(
            "Stop the broadcast and clean its list: remove who opted out, who blocked us, and numbers without WhatsApp."
        ),
    ),
    pt=Page(
        summary="{{ $value | humanizePercentage }} dos envios vão a quem não pode recebê-los",
        description=(
            "Mais de <%sending.fail_ratio> de ao menos <sending.min_attempts> tentativas em <sending.window> falharam "
            "por causa do destinatário: não está no WhatsApp, recusou receber, bloqueou."
        ),
        impact="Nenhum cliente é prejudicado, mas muitos envios assim levam a um banimento.",
        fix="Pare o disparo e limpe a lista: remova quem recusou, quem bloqueou e números sem WhatsApp.",
    ),
    checks=SEND_FAILURE_HIGH.checks,
)


OURS: Final = 'fault!~"provider|recipient"'
"""Selects failures that an operator can change, and those of an application that names no fault."""

OBJECTIVE: Final = Inhibition(targets=('slo="send-success"',), equal=(ENVIRONMENT, "job", "session"))


def rules(source: Source) -> Group:
    """Do messages arrive, and does the breaker stand in the way."""
    day = (increase(source, MESSAGES_OUTBOUND_FAILED, "1d"), increase(source, MESSAGES_OUTBOUND, "1d"))
    return Group(
        name="whatsself-sending",
        rules=(
            Record(name="whatsself:delivery_success:ratio_1d", expr=f"clamp_min(1 - {ratio(*day)}, 0)"),
            *_failing(source),
            *_breaker(source),
        ),
    )


def _failing(source: Source) -> Iterator[Alert]:
    window = source["sending.window"]
    total = increase(source, MESSAGES_OUTBOUND, window, by=SESSION)
    for name, words, severity, fault in (
        ("WhatsSelfSendFailureHigh", SEND_FAILURE_HIGH, "critical", OURS),
        ("WhatsSelfProviderFailing", PROVIDER_FAILING, "warning", 'fault="provider"'),
        ("WhatsSelfRecipientsFailing", RECIPIENTS_FAILING, "warning", 'fault="recipient"'),
    ):
        failed = increase(source, MESSAGES_OUTBOUND_FAILED, window, fault, by=SESSION)
        yield Alert(
            name=name,
            words=words,
            # The objective that these failures cost is no second message.
            inhibits=(OBJECTIVE,) if severity == "critical" else (),
            expr=(
                f"{failed} / {total} > {source['sending.fail_ratio']}"
                f"\nand on ({SESSION}) {total} >= {source['sending.min_attempts'] - 0.5}"
            ),
            wait=source["sending.fail_for"],
            keep=source["sending.fail_keep"],
            severity=severity,
            component="sending",
        )


def _breaker(source: Source) -> Iterator[Alert]:
    breaker = highest(source, CB_STATE_GLOBAL, over=source["breaker.lookback"])
    yield Alert(
        name="WhatsSelfBreakerOpen",
        words=BREAKER_OPEN,
        inhibits=(
            # An open breaker stops the queue on purpose. It waits for business hours: what pages stays loud.
            Inhibition(targets=('component=~"queue|sending"', 'severity="warning"'), equal=(ENVIRONMENT, "job")),
        ),
        expr=f"{breaker} == 2",
        wait=source["breaker.open_for"],
        keep=source["breaker.open_keep"],
        severity="warning",
        component="breaker",
    )
    yield Alert(
        name="WhatsSelfBreakerStuck",
        words=BREAKER_STUCK,
        inhibits=(Inhibition(targets=('alertname="WhatsSelfBreakerOpen"',), equal=(ENVIRONMENT, "job")),),
        expr=f"{breaker} > 0",
        wait=source["breaker.stuck_for"],
        severity="critical",
        component="breaker",
    )
