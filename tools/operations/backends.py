"""The backends, and the way of an alert itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat
from operations.model import Alert, Check, Group, Page, Words
from operations.promql import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.model import Source


BACKEND_DOWN: Final = Words(
    en=Page(
        summary="{{ $labels.job }} does not answer",
        description="Prometheus has not reached it for <telemetry.backend_for>.",
        impact=(
            "The collector queues for it on disk; that signal cannot be read meanwhile. Without Alertmanager nobody is "
            "told anything."
        ),
        fix="Start it, read its log, look at the disk's free space.",
    ),
    pt=Page(
        summary="{{ $labels.job }} não responde",
        description="O Prometheus não o alcança há <telemetry.backend_for>.",
        impact=(
            "O collector enfileira em disco; esse sinal não pode ser lido enquanto isso. Sem o Alertmanager ninguém é "
            "avisado de nada."
        ),
        fix="Inicie-o, leia seu log, veja o espaço livre em disco.",
    ),
    checks=(
        Check(
            en="Which answer",
            pt="Quais respondem",
            promql='max by (job) (up{job=~"prometheus|alertmanager|loki|victorialogs|tempo"})',
        ),
        Check(
            en="How long since",
            pt="Desde quando",
            promql="time() - max by (job) (timestamp(up == 1))",
        ),
        Check(
            en="What waits for it",
            pt="O que espera por ele",
            promql="otelcol_exporter_queue_size",
        ),
    ),
)
ALERTS_NOT_DELIVERED: Final = Words(
    en=Page(
        summary="Alerts do not reach people",
        description=(
            "Alertmanager could not deliver to Slack, e-mail or the heartbeat, or Prometheus could not reach "
            "Alertmanager, for <telemetry.failures_for>."
        ),
        impact="You may not hear of the next failure.",
        fix=(
            "Check the secret files and the network; Alertmanager's log names the receiver. If this alert is all you "
            "see, it came by another receiver."
        ),
    ),
    pt=Page(
        summary="Alertas não chegam às pessoas",
        description=(
            "O Alertmanager não conseguiu entregar a Slack, e-mail ou heartbeat, ou o Prometheus não alcançou o "
            "Alertmanager, por <telemetry.failures_for>."
        ),
        impact="Você pode não ficar sabendo da próxima falha.",
        fix=(
            "Verifique os arquivos de segredo e a rede; o log do Alertmanager diz o receptor. Se só este alerta "
            "aparece, ele veio por outro receptor."
        ),
    ),
    checks=(
        Check(
            en="Failed by integration",
            pt="Falhas por integração",
            promql="sum by (integration) (increase(alertmanager_notifications_failed_total[1h])) > 0",
        ),
        Check(
            en="Dropped by Prometheus",
            pt="Descartados pelo Prometheus",
            promql="increase(prometheus_notifications_dropped_total[1h])",
        ),
        Check(
            en="Alertmanagers known",
            pt="Alertmanagers conhecidos",
            promql="prometheus_notifications_alertmanagers_discovered",
        ),
    ),
)
RULES_FAILING: Final = Words(
    en=Page(
        summary="Prometheus cannot evaluate some rules",
        description="Evaluations failed in <telemetry.failures_window>: some alerts are blind.",
        impact="An alert may be missed.",
        fix=(
            "Open Prometheus, Status, Rule health: it shows the error. After a change of rules: generate them again "
            "and run `whatsself-otel prove-alerts`."
        ),
    ),
    pt=Page(
        summary="O Prometheus não consegue avaliar algumas regras",
        description="Avaliações falharam em <telemetry.failures_window>: alguns alertas estão cegos.",
        impact="Um alerta pode se perder.",
        fix=(
            "Abra o Prometheus, Status, Rule health: ele mostra o erro. Após mudar regras: gere-as de novo e rode "
            "`whatsself-otel prove-alerts`."
        ),
    ),
    checks=(
        Check(
            en="Which groups",
            pt="Quais grupos",
            promql="sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[1h])) > 0",
        ),
        Check(
            en="Groups that take too long",
            pt="Grupos que demoram demais",
            promql="prometheus_rule_group_last_duration_seconds > prometheus_rule_group_interval_seconds",
        ),
        Check(
            en="Missed evaluations",
            pt="Avaliações perdidas",
            promql="increase(prometheus_rule_group_iterations_missed_total[1h]) > 0",
        ),
    ),
)
WATCHDOG: Final = Words(
    en=Page(
        summary="Alerting works",
        description=(
            "This alert always fires. Its absence at the outside listener means that Prometheus, Alertmanager or the "
            "machine is down."
        ),
        impact="None while it fires. When it stops arriving, no other alert can be trusted to.",
        fix=(
            "If the outside listener calls: look at the machine, then Prometheus, then Alertmanager. Set the listener "
            "with ALERT_HEARTBEAT_URL_FILE."
        ),
    ),
    pt=Page(
        summary="Os alertas funcionam",
        description=(
            "Este alerta sempre dispara. Sua ausência no ouvinte externo quer dizer que Prometheus, Alertmanager ou a "
            "máquina caiu."
        ),
        impact="Nenhum enquanto dispara. Quando deixa de chegar, não se pode contar com nenhum outro alerta.",
        fix=(
            "Se o ouvinte externo chamar: olhe a máquina, depois o Prometheus, depois o Alertmanager. Configure o "
            "ouvinte com ALERT_HEARTBEAT_URL_FILE."
        ),
    ),
    checks=(
        Check(
            en="It fires",
            pt="Ele dispara",
            promql='ALERTS{alertname="WhatsSelfWatchdog"}',
        ),
        Check(
            en="Alertmanagers known",
            pt="Alertmanagers conhecidos",
            promql="prometheus_notifications_alertmanagers_discovered",
        ),
        Check(
            en="Heartbeats sent",
            pt="Heartbeats enviados",
            promql="sum by (integration) (rate(alertmanager_notifications_total[5m]))",
        ),
    ),
)


def rules(source: Source) -> Group:
    """Return the rules about the backends and the delivery of alerts."""
    window = source["telemetry.failures_window"]
    unsent = counted("alertmanager_notifications_failed_total", window, "max")
    unheard = counted("prometheus_notifications_dropped_total", window, "max")
    return Group(
        name="whatsself-backends",
        rules=(
            Alert(
                name="WhatsSelfBackendDown",
                words=BACKEND_DOWN,
                expr='max by (job) (up{job=~"prometheus|alertmanager|loki|victorialogs|tempo"}) == 0',
                wait=source["telemetry.backend_for"],
                severity="critical",
                component="backend",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfAlertsNotDelivered",
                words=ALERTS_NOT_DELIVERED,
                expr=f"{unsent} > 0\nor {unheard} > 0\nor max(prometheus_notifications_alertmanagers_discovered) < 1",
                wait=source["telemetry.failures_for"],
                severity="critical",
                component="backend",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfRulesFailing",
                words=RULES_FAILING,
                expr=f"max(increase(prometheus_rule_evaluation_failures_total[{window}])) > 0",
                severity="critical",
                component="backend",
                dashboard="collector",
            ),
            Alert(name="WhatsSelfWatchdog", words=WATCHDOG, expr="vector(1)", severity="none", component="watchdog"),
        ),
    )


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _backend()
    yield from _delivery()
    rule, failures = (
        "WhatsSelfRulesFailing",
        'prometheus_rule_evaluation_failures_total{job="prometheus",rule_group="x"}',
    )
    once = {failures: flat((20, 0), (60, 1)), failures.replace('"x"', '"y"'): flat((80, 0))}
    yield Case(rule=rule, kind=FIRING, title="one failure", series=once, at={19: 0, 22: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="told for ten minutes", series=once, at={29: 1, 31: 0})
    yield Case(rule=rule, kind=HEALTHY, title="old failures", series={failures: flat((60, 7))}, at={30: 0})
    always, beside = "WhatsSelfWatchdog", {'up{job="otelcol",instance="x"}': flat((60, 1))}
    yield Case(rule=always, kind=FIRING, title="always", series={}, at={10: 1})
    yield Case(
        rule=always,
        kind=HEALTHY,
        title="beside a good collector too",
        series=beside,
        at={10: 1},
    )
    yield Case(rule=always, kind=BOUNDARY, title="from the first evaluation", series={}, at={0: 1})


def _backend() -> Iterator[Case]:
    rule = "WhatsSelfBackendDown"
    for job in ("prometheus", "alertmanager", "loki", "victorialogs", "tempo"):
        dead = {f'up{{job="{job}",instance="x"}}': flat((10, 1), (50, 0))}
        yield Case(rule=rule, kind=FIRING, title=f"{job} is down", series=dead, at={9: 0, 18: 1})
        yield Case(rule=rule, kind=BOUNDARY, title=f"{job} for five minutes", series=dead, at={14.5: 0, 15: 1})
    two = {'up{job="loki",instance="x"}': flat((60, 0)), 'up{job="loki",instance="y"}': flat((60, 1))}
    yield Case(rule=rule, kind=HEALTHY, title="one of two lives, Tempo is not used", series=two, at={30: 0})


def _delivery() -> Iterator[Case]:
    rule = "WhatsSelfAlertsNotDelivered"
    found = {'prometheus_notifications_alertmanagers_discovered{job="prometheus",instance="x"}': flat((80, 1))}
    for name, labels in (
        ("alertmanager_notifications_failed_total", 'job="alertmanager",integration="slack",reason="clientError"'),
        ("prometheus_notifications_dropped_total", 'job="prometheus",alertmanager="x"'),
    ):
        quiet = {**found, f'{name}{{job="quiet"}}': flat((80, 0))}
        once = {**quiet, f"{name}{{{labels}}}": flat((20, 0), (60, 1))}
        nothing = {f'{name}{{job="new"}}': flat((20, None), (60, 0))}
        born = {**found, **nothing, f"{name}{{{labels}}}": flat((20, None), (60, 1))}
        yield Case(rule=rule, kind=FIRING, title=f"{name} rises", series=once, at={19: 0, 22: 1})
        yield Case(rule=rule, kind=FIRING, title=f"{name} is born", series=born, at={19: 0, 22: 1})
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{name} from one to ten minutes",
            series=once,
            at={20.5: 0, 21: 1, 29: 1, 31: 0},
        )
        yield Case(
            rule=rule, kind=BOUNDARY, title=f"{name} born, for ten", series=born, at={20.5: 0, 21: 1, 29: 1, 31: 0}
        )
        old = {**found, f"{name}{{{labels}}}": flat((80, 3))}
        yield Case(rule=rule, kind=HEALTHY, title=f"{name} is old", series=old, at={40: 0})
    nobody = {next(iter(found)): flat((20, 1), (60, 0))}
    yield Case(rule=rule, kind=FIRING, title="Prometheus knows no Alertmanager", series=nobody, at={19: 0, 22: 1})
    one = nobody | {next(iter(found)).replace('"x"', '"y"'): flat((80, 1))}
    yield Case(rule=rule, kind=HEALTHY, title="another Prometheus knows one", series=one, at={40: 0})
