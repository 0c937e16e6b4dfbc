"""
Steps that make an alert end, each with its command for each way to run.

In the commands ``demo`` is the application's service in Compose and ``whatsself`` its name elsewhere; Kubernetes'
selectors are the labels that the official charts set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step in both languages. A way to run without its own command takes that of ``anywhere``."""

    en: str
    pt: str
    anywhere: str = ""
    compose: str = ""
    native: str = ""
    kubernetes: str = ""


_MONITORING: Final = "kubectl --namespace monitoring"
_DATA: Final = "${WHATSSELF_OTEL_DATA:-$HOME/.local/share/whatsself-otel}"
_APPLICATION: Final = "--selector app.kubernetes.io/name=whatsself"

READ_APPLICATION: Final = Step(
    en="Read what the application said last",
    pt="Leia o que a aplicação disse por último",
    compose="docker compose logs --tail 200 demo",
    native="journalctl --unit whatsself --lines 200",
    kubernetes=f"kubectl logs {_APPLICATION} --all-containers --prefix --tail 200",
)
READ_LAST_END: Final = Step(
    en="Read how the last process ended, and whether memory was the reason",
    pt="Leia como o último processo terminou, e se foi por memória",
    compose=(
        "docker inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' $(docker compose ps --all --quiet demo)"
    ),
    native="systemctl status whatsself",
    kubernetes=f"kubectl describe pods {_APPLICATION}",
)
START_APPLICATION: Final = Step(
    en="Start the application",
    pt="Inicie a aplicação",
    compose="docker compose up --detach --wait demo",
    native="sudo systemctl start whatsself",
    kubernetes=f"kubectl scale deployment {_APPLICATION} --replicas 1",
)
RESTART_APPLICATION: Final = Step(
    en="Restart the application; messages that wait are in its database and are taken up again",
    pt="Reinicie a aplicação; as mensagens à espera estão no banco e são retomadas",
    compose="docker compose restart demo",
    native="sudo systemctl restart whatsself",
    kubernetes=f"kubectl rollout restart deployment {_APPLICATION}",
)
UNDO_RELEASE: Final = Step(
    en="It began with a release: go back to the one before",
    pt="Começou com um release: volte ao anterior",
    compose="git switch --detach HEAD~1 && docker compose up --detach --build --wait demo",
    native="git switch --detach HEAD~1 && sudo systemctl restart whatsself",
    kubernetes=f"kubectl rollout undo deployment {_APPLICATION}",
)
DOCTOR: Final = Step(
    en="Ask each part whether it receives, stores and finds",
    pt="Pergunte a cada parte se recebe, guarda e encontra",
    anywhere="whatsself-otel doctor",
)
LINK_PHONE: Final = Step(
    en="Connect the session in the application, with the phone if it asks for a code; the demo does it when told to",
    pt="Conecte a sessão na aplicação, com o celular se ela pedir um código; a demo o faz quando se pede",
    anywhere="curl --fail --request POST http://127.0.0.1:8000/api/session/connect",
)
RETIRE_SESSION: Final = Step(
    en="The number was given up: retire it, and its alerts reach nobody any more",
    pt="O número foi abandonado: aposente-o, e seus alertas não chegam mais a ninguém",
    anywhere="whatsself-otel session retire SESSION",
)
PAUSE_BROADCASTS: Final = Step(
    en="Pause every broadcast in the application, and wait for an answer of the provider's status page",
    pt="Pause todo disparo na aplicação, e veja a página de status do provedor",
)
FOLLOW_MESSAGE: Final = Step(
    en="Follow one message that failed, by its messageId from the logs, to the error",
    pt="Siga uma mensagem que falhou, pelo messageId dos logs, até o erro",
    anywhere="whatsself-otel trace MESSAGE_ID",
)
PROVE_RULES: Final = Step(
    en="Write the rules again, and prove each alert by its tests",
    pt="Gere as regras de novo, e prove cada alerta pelos seus testes",
    anywhere="whatsself-otel rules build --output rules && whatsself-otel prove-alerts",
)
FREE_DISK: Final = Step(
    en="See which disk is full, and what fills it",
    pt="Veja qual disco está cheio, e com o quê",
    compose="docker system df --verbose",
    native=f'df --human-readable && du --summarize --human-readable "{_DATA}"/*',
    kubernetes="kubectl --namespace monitoring get persistentvolumeclaims",
)
MOVE_SET_ASIDE: Final = Step(
    en=(
        "Move the `*.backup` files out of the queue directory: they hold telemetry, so keep them where no other user "
        "reads, or delete them"
    ),
    pt=(
        "Mova os arquivos `*.backup` para fora do diretório da fila: eles contêm telemetria, então guarde-os onde "
        "nenhum outro usuário lê, ou apague-os"
    ),
    compose=(
        "docker run --rm --volumes-from $(docker compose ps --all --quiet otelcol) busybox "
        "sh -c 'rm -f /queue/*.backup'"
    ),
    native=f'rm -f "{_DATA}"/queue/*.backup',
    kubernetes=(
        "kubectl --namespace monitoring debug POD --image busybox --target opentelemetry-collector --profile general "
        "-- sh -c 'rm -f /proc/1/root/queue/*.backup'"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of the stack: its name for people, in Compose, in the native stack, and its chart's label."""

    en: str
    pt: str
    compose: str
    native: str
    chart: str

    def read(self) -> Step:
        """Return the step that reads its log."""
        return Step(
            en=f"Read the log of {self.en}",
            pt=f"Leia o log: {self.pt}",
            compose=f"docker compose logs --tail 200 {self.compose}",
            native=f"whatsself-otel stack logs {self.native}",
            kubernetes=f"{_MONITORING} logs --selector {self._label} --tail 200",
        )

    def restart(self) -> Step:
        """Return the step that starts it, or starts it again."""
        return Step(
            en=f"Start {self.en} again; what is queued and stored is on disk",
            pt=f"Inicie de novo: {self.pt}; o que está na fila e guardado fica no disco",
            compose=f"docker compose up --detach --wait --force-recreate {self.compose}",
            native="whatsself-otel stack down\nwhatsself-otel stack up --native --detach",
            kubernetes=f"{_MONITORING} rollout restart deployment,statefulset --selector {self._label}",
        )

    @property
    def _label(self) -> str:
        return f"app.kubernetes.io/name={self.chart}"


COLLECTOR: Final = Program(
    en="the collector", pt="o collector", compose="otelcol", native="collector", chart="opentelemetry-collector"
)
PROMETHEUS: Final = Program(
    en="Prometheus", pt="o Prometheus", compose="prometheus", native="prometheus", chart="prometheus"
)
ALERTMANAGER: Final = Program(
    en="Alertmanager", pt="o Alertmanager", compose="alertmanager", native="alertmanager", chart="alertmanager"
)
LOG_STORE: Final = Program(
    en="the log store", pt="o backend de logs", compose="loki", native="victorialogs", chart="loki"
)
TRACE_STORE: Final = Program(
    en="the trace store", pt="o backend de traces", compose="tempo", native="jaeger", chart="tempo"
)
RESTART_STORES: Final = Step(
    en="Start the one that is down again, or each that refused its file; what is stored is on disk",
    pt="Inicie de novo o que está fora, ou o que recusou seu arquivo; o que está guardado fica no disco",
    compose="docker compose up --detach --wait --force-recreate prometheus alertmanager loki tempo",
    native=PROMETHEUS.restart().native,
    kubernetes=(
        f"{_MONITORING} rollout restart deployment,statefulset "
        "--selector 'app.kubernetes.io/name in (prometheus, alertmanager, loki, tempo)'"
    ),
)
