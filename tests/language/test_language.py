"""Help, errors, findings and `health()` in Portuguese, as they are printed, and when they are."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
from consoles import type_in
from rows import for_each

from whatsself_otel import TelemetryConfig, setup_telemetry
from whatsself_otel.cli import main, parser
from whatsself_otel.language import catalogue, is_portuguese, translated, translated_lines

COMMANDS = sorted({"", *next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)).choices})
ENGLISH = re.compile(r"\b(the|is|are|of|by|for|with|and|nothing|which|not|from|was|that|it)\b")
"""Words that no Portuguese line has."""


@pytest.fixture
def portuguese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSSELF_OTEL_LANG", "pt-BR")


class TestHelp:
    @pytest.mark.usefixtures("portuguese")
    @for_each("command", COMMANDS)
    def test_of_every_command_is_portuguese(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        told = capsys.readouterr().out

        assert told.startswith("uso: whatsself-otel")
        assert "mostra esta ajuda e sai" in told
        assert "status de saída:" in told
        assert re.search(r"usage|options:|exit status|examples|default:|repeatable| the ", told) is None

    @for_each("encoding", ["ascii", "cp1252", "utf-8"])
    def test_is_shown_by_every_console(self, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
        told = type_in(monkeypatch, "trace", "--help", encoding=encoding, language="pt-BR").out

        assert ("opcoes:" if encoding == "ascii" else "opções:") in told
        assert "?" not in told


class TestDoctor:
    @pytest.mark.usefixtures("portuguese")
    def test_says_what_it_found_and_what_to_do(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")

        assert main(["doctor", "--no-probe"]) == 1
        told = capsys.readouterr().out

        assert re.search(r"^FALHA    endpoint +Nada aceita conexões em ", told, re.MULTILINE)
        assert "-> Inicie o collector (whatsself-otel stack up), ou corrija OTEL_EXPORTER_OTLP_ENDPOINT." in told
        assert "a corrigir: veja FALHA acima." in told


class TestOutput:
    @for_each(
        "words, said",
        [
            ("vendors show honeycomb", "  limites       2 MB por requisição antes da compressão"),
            (
                "vendors show kafka",
                "  fila cheia    descarta e conta ao lado de outros backends; sozinho, quem envia espera",
            ),
            ("simulate --list", "dispara WhatsSelfSessionDown, em até 8 min"),
            (
                "audit {log}",
                "app.log: 1 valor(es) pessoal(is): phone 1; 1 textos com 26 caracteres lidos\n  phone em linha 1\n",
            ),
            ("replay {webhook}", "webhook 1: de nenhum provedor conhecido"),
            ("doctor --no-probe --data {data}", "-> Inicie o collector (whatsself-otel stack up), ou corrija "),
            ("session list --url http://127.0.0.1:9", "Alertmanager não responde em http://127.0.0.1:9."),
            ("stack status --data {data}", "Nada está rodando. Inicie com `whatsself-otel stack up`."),
            ("files export {data}/here", " arquivos estão em "),
            ("trace nobody --from jaeger --url http://127.0.0.1:9", "Nenhum backend responde."),
        ],
    )
    @pytest.mark.usefixtures("portuguese", "no_docker")
    def test_of_a_command_is_portuguese_to_its_last_line(
        self, words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        (tmp_path / "app.log").write_text("call me: +55 11 98765-4321")
        (tmp_path / "webhook.json").write_text("{}")
        files = {"log": tmp_path / "app.log", "webhook": tmp_path / "webhook.json", "data": tmp_path}
        main(words.format(**files).split())
        told = "".join(capsys.readouterr())

        assert said in told
        assert [line for line in told.splitlines() if ENGLISH.search(re.sub(r"\S*[/:._-]\S*|`[^`]+`", "", line))] == []


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsself_otel.stack.docker.problem", lambda: "Docker is not installed.")


class TestHealth:
    @for_each(
        "language, said",
        [
            ("pt-BR", "A telemetria está desligada."),
            ("en", "Telemetry is disabled."),
        ],
    )
    def test_says_what_is_wrong_in_the_readers_language(
        self, language: str, said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WHATSSELF_OTEL_LANG", language)
        config = TelemetryConfig(enabled=False, environ={"WHATSSELF_OTEL_NONSENSE": "1"})
        with setup_telemetry(config=config) as telemetry:
            health = telemetry.health()

        assert next(part for signal in health.signals.values() for part in signal["not_leaving"]).startswith(said)
        wrong = "não é uma variável do" if language == "pt-BR" else "is not a variable of"
        assert any(wrong in problem for problem in health.problems)


class TestErrors:
    @pytest.mark.usefixtures("portuguese")
    def test_keep_what_a_program_said_line_by_line(self) -> None:
        told = "The stack did not start. otelcol ends with:\n  panic: a  line\n  that nobody translates"

        assert translated_lines(told) == (
            "A pilha não iniciou. otelcol termina com:\n  panic: a  line\n  that nobody translates"
        )

    @pytest.mark.usefixtures("portuguese")
    @for_each(
        "words, told",
        [
            ("trase", "COMMAND deve ser um destes: demo, "),
            ("trase", "recebido: 'trase'. Você quis dizer trace? Veja whatsself-otel --help."),
            ("view --prt 1", "Nenhuma opção se chama --prt. Você quis dizer --port? Veja whatsself-otel view --help."),
            ("view --port 99999", "--port: deve ser um número inteiro de 0 a 65535; recebido: '99999'."),
            ("view --port", "--port: falta o valor."),
            ("trace", "Falta ID."),
            ("stack up --native --docker", "--docker: não pode ser usada com --native."),
            ("trace x --loki", "--loki: falta o valor."),
            ("doctor --patience=-1", "--patience: deve ser um número"),
            ("trace x --url ftp://x", "--url: deve ser uma URL como http://127.0.0.1:9090; recebido: 'ftp://x'."),
            ("vendors show honeycom", "Você quis dizer honeycomb? Existem: alloy"),
        ],
    )
    def test_are_one_line_in_portuguese(self, words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(words.split()) == 2
        line = capsys.readouterr().err

        assert told in line
        assert line.count("\n") == 1
        assert re.search(r"\b(See|must|got|argument|is missing)\b", line) is None

    @pytest.mark.usefixtures("portuguese")
    def test_what_the_catalogue_does_not_know_stays(self) -> None:
        assert translated("A text of tomorrow. See x --help.") == "A text of tomorrow. Veja x --help."


class TestChoice:
    @for_each(
        "variables, expected",
        [
            ({"WHATSSELF_OTEL_LANG": "pt-BR", "LANG": "en_US.UTF-8"}, True),
            ({"WHATSSELF_OTEL_LANG": "en", "LANG": "pt_BR.UTF-8"}, False),
            ({"LANG": "pt_BR.UTF-8"}, True),
            ({"LC_ALL": "C.UTF-8", "LANG": "pt_BR.UTF-8"}, False),
            ({"LC_MESSAGES": "pt_BR.UTF-8", "LANG": "en_US.UTF-8"}, True),
            ({"WHATSSELF_OTEL_LANG": "", "LANG": "de_DE"}, False),
        ],
    )
    def test_is_the_variable_else_the_locale(
        self,
        variables: dict[str, str],
        expected: bool,  # noqa: FBT001
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for name in ("WHATSSELF_OTEL_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        assert is_portuguese() is expected

    def test_english_reads_no_catalogue(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WHATSSELF_OTEL_LANG", "en")
        catalogue.cache_clear()
        parser().format_help()

        assert catalogue.cache_info().misses == 0
