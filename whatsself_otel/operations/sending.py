"""Sending: do messages arrive, and does the breaker stand in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import CB_STATE_GLOBAL, MESSAGES_OUTBOUND, MESSAGES_OUTBOUND_FAILED
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, ramp
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
"""What an operator can change; an application that does not say whose fault it is counts as well."""

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


SENT = MESSAGES_OUTBOUND.prometheus_name
FAILED = MESSAGES_OUTBOUND_FAILED.prometheus_name


def cases() -> Iterator[Case]:
    """Failures and the breaker."""
    high = "WhatsSelfSendFailureHigh"
    sent, second = named(SENT, 'origin="reply"'), named(SENT, 'origin="reply"', instance="b")
    failed, failed_too = named(FAILED, 'reason="timeout"'), named(FAILED, 'reason="timeout"', instance="b")
    yield from _many_cases(high, (sent, second, failed, failed_too))
    yield from _few_cases(high, sent, second, failed)
    yield from _faults(sent)
    yield from _day_cases(high)
    yield from _open_cases("WhatsSelfBreakerOpen")
    yield from _half_open_cases("WhatsSelfBreakerStuck")


def _many_cases(high: str, series: tuple[str, str, str, str]) -> Iterator[Case]:
    sent, second, failed, failed_too = series
    burst = {sent: ramp((100, 12)), failed: ramp((30, 0), (10, 12), (60, 0))}
    yield Case(rule=high, kind=FIRING, title="all fail for ten minutes", series=burst, at={29: 0, 40: 1, 70: 0})
    yield Case(rule=high, kind=BOUNDARY, title="begins and ends", series=burst, at={34: 0, 35: 1, 56.5: 1, 58.5: 0})
    for share, fires in ((23, 0), (27, 1)):
        yield Case(
            rule=high,
            kind=BOUNDARY,
            title=f"{share} % of what two workers send",
            series={
                sent: ramp((60, 10)),
                second: ramp((60, 10)),
                failed: ramp((60, share / 10)),
                failed_too: ramp((60, share / 10)),
            },
            at={40: fires},
        )
    for attempts, fires in ((9, 0), (10, 1)):
        yield Case(
            rule=high,
            kind=BOUNDARY,
            title=f"{attempts} attempts of two workers",
            series={
                sent: flat((10, 0), (30, attempts - 2)),
                second: flat((10, 0), (30, 2)),
                failed: flat((10, 0), (30, 5)),
            },
            at={14: fires},
        )


def _few_cases(high: str, sent: str, second: str, failed: str) -> Iterator[Case]:
    yield Case(
        rule=high,
        kind=HEALTHY,
        title="no failure was ever born, and a restart as a new instance",
        series={sent: ramp((30, 12)), second: flat((30, None)) + " " + ramp((30, 12))},
        at={20: 0, 35: 0, 50: 0},
    )
    yield Case(
        rule=high,
        kind=HEALTHY,
        title="9 attempts, and others longer ago",
        series={sent: flat((16, 0), (8, 9), (40, 18)), failed: flat((24, 0), (40, 9))},
        at={31: 0},
    )
    yield Case(
        rule=high,
        kind=BOUNDARY,
        title="12 attempts in ten minutes, six of them in five",
        series={sent: flat((10, 0), (6, 6), (40, 12)), failed: flat((10, 0), (6, 6), (40, 12))},
        at={19: 1},
    )
    yield Case(rule=high, kind=HEALTHY, title="0 of 0", series={sent: flat((60, 7)), failed: flat((60, 3))}, at={30: 0})
    yield Case(
        rule=high,
        kind=HEALTHY,
        title="3 messages in a quiet hour, one of them failed",
        series={sent: flat((10, 0), (20, 1), (20, 2), (60, 3)), failed: flat((30, 0), (80, 1))},
        at={12: 0, 32: 0, 35: 0, 52: 0},
    )


def _day_cases(high: str) -> Iterator[Case]:
    day = 600
    yield Case(
        rule=high,
        kind=VALUE,
        title="success of a day, by two workers, and before a failure is born",
        series={
            named(SENT, 'origin="reply"'): ramp((2880, 8), step_s=day),
            named(SENT, 'origin="reply"', instance="b"): ramp((2880, 2), step_s=day),
            named(FAILED, 'reason="timeout"'): flat((720, None), step_s=day)
            + " "
            + ramp((720, 4), (1440, 0), step_s=day),
            named(FAILED, 'reason="timeout"', instance="b"): flat((720, None), step_s=day)
            + " "
            + ramp((720, 1), (1440, 0), step_s=day),
        },
        values={
            ("whatsself:delivery_success:ratio_1d", 700): 1,
            ("whatsself:delivery_success:ratio_1d", 1440): 0.75,
            ("whatsself:delivery_success:ratio_1d", 2400): 5 / 6,
        },
        step_s=day,
    )
    yield Case(
        rule=high,
        kind=VALUE,
        title="success of a day in which more failed than were sent: they were accepted the day before",
        series={
            named(SENT, 'origin="reply"'): ramp((2880, 1), step_s=day),
            named(FAILED, 'reason="undeliverable",stage="delivery"'): ramp((2880, 2), step_s=day),
        },
        values={("whatsself:delivery_success:ratio_1d", 2400): 0},
        step_s=day,
    )


def _open_cases(breaker: str) -> Iterator[Case]:
    state, other = named("cb_state_global"), named("cb_state_global", instance="b")
    opens = {state: flat((10, 0), (2, 2), (30, 0)), other: flat((42, 0))}
    yield Case(rule=breaker, kind=FIRING, title="open on one of two workers", series=opens, at={9: 0, 12: 1})
    yield Case(rule=breaker, kind=BOUNDARY, title="begins and ends", series=opens, at={10.5: 0, 11: 1, 29: 1, 30.5: 0})
    yield Case(
        rule=breaker,
        kind=HEALTHY,
        title="half-open on both workers",
        series={state: flat((40, 1)), other: flat((40, 1))},
        at={10: 0, 30: 0},
    )
    night = {state: flat((30, 0), (70, 2), (100, 0)), named("business_open"): flat((20, 1), (160, 0), (20, 1))}
    yield Case(
        rule=breaker, kind=HEALTHY, title="over before anybody was told", series=night, at={60: 1, 125: 0, 185: 0}
    )


def _half_open_cases(stuck: str) -> Iterator[Case]:
    state, other = named("cb_state_global"), named("cb_state_global", instance="b")
    probing = {state: flat((10, 0), *[(9, 2), (1, 1)] * 7), other: flat((80, 0))}
    yield Case(rule=stuck, kind=FIRING, title="open, probing in vain", series=probing, at={60: 1})
    yield Case(rule=stuck, kind=BOUNDARY, title="after 45 minutes", series=probing, at={54.5: 0, 55: 1})
    yield Case(rule=stuck, kind=HEALTHY, title="closed", series={state: flat((80, 0))}, at={50: 0, 70: 0})
    yield Case(
        rule=stuck,
        kind=HEALTHY,
        title="closed for four minutes on the way",
        series={state: flat((30, 2), (4, 0), (40, 2))},
        at={46: 0, 60: 0},
    )
    yield Case(
        rule=stuck,
        kind=BOUNDARY,
        title="closed for two minutes on the way",
        series={state: flat((30, 2), (2, 0), (40, 2))},
        at={46: 1},
    )


def _faults(sent: str) -> Iterator[Case]:
    """Whose fault a failure is decides who is told, and when."""
    rules = {
        "WhatsSelfSendFailureHigh": "ours",
        "WhatsSelfProviderFailing": "provider",
        "WhatsSelfRecipientsFailing": "recipient",
    }
    for rule, fault in rules.items():
        for reason, whose in (("rate_limited", "ours"), ("provider_error", "provider"), ("opted_out", "recipient")):
            failed = named(FAILED, f'reason="{reason}",fault="{whose}",stage="send"')
            yield Case(
                rule=rule,
                kind=FIRING if whose == fault else HEALTHY,
                title=f"half of the sends fail by {reason}",
                series={sent: ramp((60, 10)), failed: ramp((20, 0), (40, 5))},
                at={19: 0, 35: int(whose == fault)},
            )
    for rule in ("WhatsSelfProviderFailing", "WhatsSelfRecipientsFailing"):
        failed = named(FAILED, f'reason="x",fault="{rules[rule]}"')
        burst = {sent: ramp((100, 12)), failed: ramp((30, 0), (10, 12), (60, 0))}
        yield Case(rule=rule, kind=BOUNDARY, title="begins and ends", series=burst, at={34: 0, 35: 1, 56.5: 1, 58.5: 0})
        for share, fires in ((23, 0), (27, 1)):
            series = {
                sent: ramp((60, 20)),
                failed: ramp((60, share / 10)),
                failed.replace('instance="a"', 'instance="b"'): ramp((60, share / 10)),
            }
            yield Case(rule=rule, kind=BOUNDARY, title=f"{share} %", series=series, at={40: fires})
        for attempts, fires in ((9, 0), (10, 1)):
            series = {sent: flat((10, 0), (30, attempts)), failed: flat((10, 0), (30, 5))}
            yield Case(rule=rule, kind=BOUNDARY, title=f"{attempts} attempts", series=series, at={14: fires})
    one, two = (named(SENT, f'origin="reply",session="{name}"') for name in ("one", "two"))
    lost = named(FAILED, 'reason="session_down",fault="ours",session="one"')
    yield Case(
        rule="WhatsSelfSendFailureHigh",
        kind=FIRING,
        title="all of one session's sends, a tenth of the service's",
        series={one: ramp((60, 2)), two: ramp((60, 18)), lost: ramp((60, 2))},
        at={30: 1},
    )
