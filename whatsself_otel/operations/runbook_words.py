"""The fixed words of a runbook, in each language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The fixed words of one language."""

    key: str
    folder: str
    uid_ending: str
    """Of the dashboards in this language."""
    meaning: str
    impact: str
    checks: str
    natively: str
    fix: str
    names: str
    """At the top of the page: what stands for what in its commands."""
    ways: Mapping[str, str]
    over: str
    ended: str
    looks_back: str
    stays: str
    waits_for_hours: str
    escalate: str
    whom: Mapping[str, str]
    """Of each kind of alert: when, and whom."""
    silence: str
    silenced: str
    never: str
    near: str
    dashboard: str
    rule: str
    waits: str
    table: str
    title: str


ENGLISH: Final = Language(
    key="en",
    folder="",
    uid_ending="",
    meaning="Meaning",
    impact="Impact",
    checks="Checks",
    natively="In VictoriaLogs, the native stack's log store",
    fix="Fix",
    names=(
        "In the commands `demo` stands for your application's service in Compose, `whatsself` for its name elsewhere, "
        "and words in capitals for what the alert names. The stack by pip takes the commands of the native one."
    ),
    ways={
        "anywhere": "Anywhere",
        "compose": "Docker Compose",
        "native": "Native, and the stack by pip",
        "kubernetes": "Kubernetes",
    },
    over="Over",
    ended="It is over when this gives nothing for the environment, service and session of the alert",
    looks_back="The rule looks back {window}: it may fire that much longer than the cause lasts.",
    stays="It is kept firing for {keep} after its rule is false.",
    waits_for_hours="Outside business hours it fires on until the business opens, so that people are told of its end.",
    escalate="Escalate",
    whom={
        "critical": "Not over 30 minutes after the first step, or the third time in a day",
        "warning": "Not over at the end of the working day, or three days in a row",
        "none": "Never by itself",
        "owner": "whoever owns the application",
        "phone": "whoever has the phone of this number",
        "account": "whoever holds the account with WhatsApp or the provider, to open a case there",
    },
    silence="Silence",
    silenced=(
        "This alert alone, of this environment and session, while somebody works on it: at most {hours} h. The "
        "message's own silence link fills the form in"
    ),
    never="Nothing. It tells nobody, or its silence is the alert.",
    near="Near it",
    dashboard="The dashboard, from six hours ago; without ENVIRONMENT or SESSION leave the whole variable out",
    rule="The rule",
    waits="Must hold for",
    table="| Alert | Severity | What it says |\n| --- | --- | --- |",
    title="Runbooks",
)
PORTUGUESE: Final = Language(
    key="pt",
    folder="pt-BR/",
    uid_ending="-pt",
    meaning="Significado",
    impact="Impacto",
    checks="Verificações",
    natively="No VictoriaLogs, o backend de logs da pilha nativa",
    fix="Correção",
    names=(
        "Nos comandos, `demo` é o serviço da sua aplicação no Compose, `whatsself` o nome dela nos demais, e palavras "
        "em maiúsculas são o que o alerta nomeia. A pilha por pip usa os comandos da nativa."
    ),
    ways={
        "anywhere": "Em qualquer lugar",
        "compose": "Docker Compose",
        "native": "Nativa, e a pilha por pip",
        "kubernetes": "Kubernetes",
    },
    over="Fim",
    ended="Acabou quando isto não dá nada para o ambiente, o serviço e a sessão do alerta",
    looks_back="A regra olha {window} para trás: pode disparar por mais esse tempo depois que a causa acaba.",
    stays="Ele é mantido por {keep} depois que a regra é falsa.",
    waits_for_hours="Fora do horário comercial, ele segue até a abertura, para que as pessoas saibam do fim.",
    escalate="Escalar",
    whom={
        "critical": "Se não acabou 30 minutos depois do primeiro passo, ou na terceira vez no dia",
        "warning": "Se não acabou no fim do dia útil, ou em três dias seguidos",
        "none": "Nunca por si só",
        "owner": "quem responde pela aplicação",
        "phone": "quem tem o celular deste número",
        "account": "quem tem a conta no WhatsApp ou no provedor, para abrir um chamado lá",
    },
    silence="Silenciar",
    silenced=(
        "Só este alerta, deste ambiente e desta sessão, enquanto alguém trabalha nele: no máximo {hours} h. O link de "
        "silêncio da mensagem preenche o formulário"
    ),
    never="Nada. Ele não avisa ninguém, ou o silêncio dele é o alerta.",
    near="Perto dele",
    dashboard="O dashboard, desde seis horas atrás; sem ENVIRONMENT ou SESSION, deixe a variável inteira de fora",
    rule="A regra",
    waits="Precisa durar",
    table="| Alerta | Severidade | O que diz |\n| --- | --- | --- |",
    title="Runbooks",
)
