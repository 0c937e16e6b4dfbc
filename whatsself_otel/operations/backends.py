"""The backends, and the way of an alert itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.model import Alert, Check, Group, Inhibition, Page, Words
from whatsself_otel.operations.promql import ENVIRONMENT, MACHINE, counted, or_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source


BACKEND_DOWN: Final = Words(
    en=Page(
        summary="{{ $labels.job }} does not answer",
        description="Prometheus has not reached it for <telemetry.backend_for>, or it is no target any more.",
        impact=(
            "The collector queues for it on disk; that signal cannot be read meanwhile. Without Alertmanager nobody is "
            "told anything."
        ),
        fix="Start it, read its log, look at the disk's free space.",
    ),
    pt=Page(
        summary="{{ $labels.job }} não responde",
        description="O Prometheus não o alcança há <telemetry.backend_for>, ou ele deixou de ser um alvo.",
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
            "Alertmanager gave up a message to Slack, e-mail or the heartbeat, or <telemetry.failed_requests> requests "
            "failed, or Prometheus could not reach Alertmanager, for <telemetry.failures_for>. The heartbeat stops "
            "meanwhile, so that the outside hears it."
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
            "O Alertmanager desistiu de uma mensagem a Slack, e-mail ou heartbeat, ou <telemetry.failed_requests> "
            "requisições falharam, ou o Prometheus não alcançou o Alertmanager, por <telemetry.failures_for>. O "
            "heartbeat para enquanto isso, para que o lado de fora perceba."
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
            promql="sum by (integration) (increase(alertmanager_notification_requests_failed_total[1h])) > 0",
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
        description=(
            "Evaluations failed, or at least <telemetry.missed_evaluations> were missed, in "
            "<telemetry.failures_window>: some alerts are blind."
        ),
        impact="An alert may be missed.",
        fix=(
            "Open Prometheus, Status, Rule health: it shows the error. After a change of rules: generate them again "
            "and run `whatsself-otel prove-alerts`."
        ),
    ),
    pt=Page(
        summary="O Prometheus não consegue avaliar algumas regras",
        description=(
            "Avaliações falharam, ou ao menos <telemetry.missed_evaluations> não ocorreram, em "
            "<telemetry.failures_window>: alguns alertas estão cegos."
        ),
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
RELOAD_FAILED: Final = Words(
    en=Page(
        summary="{{ $labels.job }} refused its new configuration",
        description="The last reload failed; it goes on with the one before. So for <telemetry.reload_for>.",
        impact="What was changed does nothing, and a restart would end it.",
        fix="Read its log, mend the file, reload. `promtool check config` and `amtool check-config` name the line.",
    ),
    pt=Page(
        summary="{{ $labels.job }} recusou a nova configuração",
        description="A última recarga falhou; ele segue com a anterior. Isso há <telemetry.reload_for>.",
        impact="O que foi mudado não faz efeito, e um reinício o derrubaria.",
        fix="Leia o log, corrija o arquivo, recarregue. `promtool check config` e `amtool check-config` dizem a linha.",
    ),
    checks=(
        Check(
            en="Prometheus' last reload",
            pt="Última recarga do Prometheus",
            promql="prometheus_config_last_reload_successful",
        ),
        Check(
            en="Alertmanager's last reload",
            pt="Última recarga do Alertmanager",
            promql="alertmanager_config_last_reload_successful",
        ),
        Check(
            en="When the last one succeeded",
            pt="Quando a última deu certo",
            promql="time() - prometheus_config_last_reload_success_timestamp_seconds",
        ),
    ),
)
STORAGE_FAILING: Final = Words(
    en=Page(
        summary="Prometheus cannot write its data",
        description="Writes of its log or compactions failed in <telemetry.failures_window>.",
        impact="Metrics are lost, and with them every alert.",
        fix="Most often the disk is full: make room, or lower the retention. Then restart Prometheus.",
    ),
    pt=Page(
        summary="O Prometheus não consegue gravar seus dados",
        description="Escritas do log ou compactações falharam em <telemetry.failures_window>.",
        impact="Métricas se perdem, e com elas todos os alertas.",
        fix="Em geral o disco está cheio: abra espaço ou reduza a retenção. Depois reinicie o Prometheus.",
    ),
    checks=(
        Check(
            en="Failed writes and compactions",
            pt="Escritas e compactações que falharam",
            promql=(
                "increase(prometheus_tsdb_wal_writes_failed_total[1h]) "
                "or increase(prometheus_tsdb_compactions_failed_total[1h])"
            ),
        ),
        Check(
            en="Bytes of blocks and of the log",
            pt="Bytes de blocos e do log",
            promql="prometheus_tsdb_storage_blocks_bytes or prometheus_tsdb_wal_storage_size_bytes",
        ),
        Check(
            en="Free space, where a node exporter tells",
            pt="Espaço livre, se um node exporter informa",
            promql="node_filesystem_avail_bytes",
        ),
    ),
)
STORAGE_FILLING: Final = Words(
    en=Page(
        summary='The disk of {{ or $labels.instance "Prometheus" }} fills up',
        description=(
            "Prometheus holds over <%telemetry.storage_fill> of what it may, or a disk is full within "
            "<telemetry.storage_ahead> if it goes on so."
        ),
        impact="Old data goes early, and objectives look back less far; then nothing is written any more.",
        fix="Make room, give it more, or lower the retention on purpose.",
    ),
    pt=Page(
        summary='O disco de {{ or $labels.instance "Prometheus" }} está enchendo',
        description=(
            "O Prometheus ocupa mais de <%telemetry.storage_fill> do permitido, ou um disco enche em até "
            "<telemetry.storage_ahead> nesse passo."
        ),
        impact="Dados antigos saem antes da hora e objetivos olham menos para trás; depois nada mais é gravado.",
        fix="Abra espaço, aumente o limite ou reduza a retenção de propósito.",
    ),
    checks=STORAGE_FAILING.checks,
)
STORE_DISCARDS: Final = Words(
    en=Page(
        summary="{{ $labels.job }} threw away what it had taken",
        description=(
            "In the last <telemetry.failures_window> the store answered well, so the collector counted no loss. The "
            "store's reason: {{ $labels.reason }}."
        ),
        impact="These spans or lines are found by no search. Others are not touched.",
        fix=(
            "`trace_too_large`: one trace exceeds what Tempo keeps; end the loop that goes on in one trace. "
            "`too_small_timestamp`: the lines are older than the retention. Else read the store's log."
        ),
    ),
    pt=Page(
        summary="{{ $labels.job }} jogou fora o que tinha aceitado",
        description=(
            "Nos últimos <telemetry.failures_window> o armazenamento respondeu bem, e o collector não contou perda. "
            "O motivo que o armazenamento dá: {{ $labels.reason }}."
        ),
        impact="Nenhuma busca encontra esses spans ou linhas. Os outros não são afetados.",
        fix=(
            "`trace_too_large`: um trace passa do que o Tempo guarda; encerre o laço que segue num só trace. "
            "`too_small_timestamp`: as linhas são mais antigas que a retenção. Senão, leia o log do armazenamento."
        ),
    ),
    checks=(
        Check(
            en="Spans that Tempo threw away, by reason",
            pt="Spans que o Tempo jogou fora, por motivo",
            promql="sum by (reason) (increase(tempo_discarded_spans_total[1h])) > 0",
        ),
        Check(
            en="Lines that VictoriaLogs threw away, by reason",
            pt="Linhas que o VictoriaLogs jogou fora, por motivo",
            promql="sum by (reason) (increase(vl_rows_dropped_total[1h])) > 0",
        ),
        Check(
            en="What the collector could not deliver",
            pt="O que o collector não conseguiu entregar",
            promql="whatsself:collector_exporter_send_failed:increase10m > 0",
        ),
    ),
)


BACKENDS: Final = 'up{job=~"prometheus|alertmanager|loki|victorialogs|tempo"}'
DISCARDED: Final = ('tempo_discarded_spans_total{reason!="rate_limited"}', "vl_rows_dropped_total")
"""What stores throw away after they answered well. Tempo refuses what exceeds its rate: the collector counts that."""


def rules(source: Source) -> Group:
    """Return the rules about the backends and the delivery of alerts."""
    return Group(
        name="whatsself-backends",
        rules=(
            Alert(
                name="WhatsSelfBackendDown",
                words=BACKEND_DOWN,
                expr=_away(source),
                wait=source["telemetry.backend_for"],
                severity="critical",
                component="backend",
                dashboard="collector",
            ),
            _delivery(source),
            *_prometheus(source),
            _discards(source),
            Alert(name="WhatsSelfWatchdog", words=WATCHDOG, expr="vector(1)", severity="none", component="watchdog"),
        ),
    )


def _away(source: Source) -> str:
    """Return the backends that are not reached, or not for most of the window, as in a crash loop."""
    reached = f"avg_over_time({BACKENDS}[{source['telemetry.backend_window']}])"
    return f"max by ({MACHINE}) {or_gone(BACKENDS)} == 0\nor max by ({MACHINE}) ({reached}) < 0.5"


def _delivery(source: Source) -> Alert:
    window = source["telemetry.failures_window"]
    # What was given up is lost; of what is tried again, one failed request is none.
    lost = counted("alertmanager_notifications_failed_total", window)
    unsent = counted("alertmanager_notification_requests_failed_total", window)
    unheard = counted("prometheus_notifications_dropped_total", window)
    found = f"max by ({ENVIRONMENT}) (prometheus_notifications_alertmanagers_discovered)"
    return Alert(
        name="WhatsSelfAlertsNotDelivered",
        words=ALERTS_NOT_DELIVERED,
        # Whoever listens outside is the one who can still be told.
        inhibits=(Inhibition(targets=('alertname="WhatsSelfWatchdog"',)),),
        expr=(
            f"{lost} > 0\nor {unsent} > {source['telemetry.failed_requests'] - 0.5}\nor {unheard} > 0\nor {found} == 0"
        ),
        wait=source["telemetry.failures_for"],
        severity="critical",
        component="backend",
        dashboard="collector",
    )


def _discards(source: Source) -> Alert:
    window = source["telemetry.failures_window"]
    return Alert(
        name="WhatsSelfStoreDiscards",
        words=STORE_DISCARDS,
        expr="\nor ".join(f"{counted(name, window, f'{MACHINE}, reason')} > 0" for name in DISCARDED),
        severity="warning",
        component="backend",
        dashboard="collector",
    )


def _prometheus(source: Source) -> Iterator[Alert]:
    window = source["telemetry.failures_window"]

    def alert(name: str, words: Words, severity: str, expr: str, wait: str | None = None) -> Alert:
        return Alert(
            name=f"WhatsSelf{name}",
            words=words,
            expr=expr,
            wait=wait,
            severity=severity,
            component="backend",
            dashboard="collector",
        )

    def failed(name: str) -> str:
        return f"max by ({ENVIRONMENT}) (increase({name}[{window}]))"

    missed = (
        f"{failed('prometheus_rule_group_iterations_missed_total')} > {source['telemetry.missed_evaluations'] - 0.5}"
    )
    yield alert(
        "RulesFailing",
        RULES_FAILING,
        "critical",
        f"{failed('prometheus_rule_evaluation_failures_total')} > 0\nor {missed}",
    )
    reloads = ("prometheus_config_last_reload_successful", "alertmanager_config_last_reload_successful")
    expr = "\nor ".join(f"min by ({MACHINE}) ({name}) == 0" for name in reloads)
    yield alert("ReloadFailed", RELOAD_FAILED, "warning", expr, source["telemetry.reload_for"])
    expr = "\nor ".join(
        f"{failed(f'prometheus_tsdb_{name}_failed_total')} > 0" for name in ("wal_writes", "compactions")
    )
    yield alert("StorageFailing", STORAGE_FAILING, "critical", expr)
    held = "prometheus_tsdb_storage_blocks_bytes / (prometheus_tsdb_retention_limit_bytes > 0)"
    ahead = source["telemetry.storage_ahead"]
    free = f"predict_linear(node_filesystem_avail_bytes[{source['telemetry.storage_trend']}], {ahead})"
    yield alert(
        "StorageFilling",
        STORAGE_FILLING,
        "warning",
        f"{held} > {source['telemetry.storage_fill']}\nor min by ({MACHINE}, instance) ({free}) < 0",
        source["telemetry.storage_for"],
    )
