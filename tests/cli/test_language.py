"""The command line in Portuguese: every text of the parsers is in the catalogue, and none there is stale."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from whatsself_otel.cli import main, parser
from whatsself_otel.cli.language import catalogue, is_portuguese, keys, translated

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def portuguese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSSELF_OTEL_LANG", "pt-BR")


def texts(of: argparse.ArgumentParser) -> Iterator[str]:
    """Every text of a parser and of its commands."""
    yield from filter(None, (of.description, of.epilog))
    for group in of._action_groups:
        yield from filter(None, (group.title, group.description))
    for action in of._actions:
        yield from filter(None, (action.help,))
        if isinstance(action, argparse._SubParsersAction):
            yield from (choice.help for choice in action._choices_actions if choice.help)
            for command in action.choices.values():
                yield from texts(command)


NEEDED = {key for text in texts(parser()) for key in keys(text)}
FRAME = {"usage: ", "for machines"}
ERRORS = {key for key in catalogue() if "{}" in key}
COMMANDS = sorted({"", *next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)).choices})


class TestCatalogue:
    def test_has_every_text_of_the_parsers(self) -> None:
        missing = NEEDED - catalogue().keys()

        assert not missing, "\n".join(["write these into whatsself_otel/cli/portuguese.toml:", *sorted(missing)])

    def test_has_no_text_that_nothing_says(self) -> None:
        stale = catalogue().keys() - NEEDED - FRAME - ERRORS

        assert not stale, "\n".join(["nothing says these any more:", *sorted(stale)])

    def test_a_text_that_is_missing_or_stale_is_seen(self) -> None:
        made_up = argparse.ArgumentParser(description="Says what nobody translated.")

        assert {key for text in texts(made_up) for key in keys(text)} - catalogue().keys() >= {made_up.description}

    def test_says_each_thing_in_portuguese_with_the_same_places(self) -> None:
        assert [key for key, text in catalogue().items() if text in {"", key}] == []
        assert [key for key, text in catalogue().items() if key.count("{}") != text.count("{}")] == []

    @pytest.mark.parametrize(
        "kind", [r"--[a-z][a-z-]+", r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", r"`[^`]+`", r"https?://[\w.:/]+"]
    )
    def test_keeps_what_is_typed(self, kind: str) -> None:
        """Options, variables, code and addresses are the same in both languages."""
        differing = [
            key for key, text in catalogue().items() if sorted(re.findall(kind, key)) != sorted(re.findall(kind, text))
        ]

        assert differing == []


class TestHelp:
    @pytest.mark.usefixtures("portuguese")
    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_every_command_is_portuguese(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        told = capsys.readouterr().out

        assert told.startswith("uso: whatsself-otel")
        assert "mostra esta ajuda e sai" in told
        assert "status de saída:" in told
        assert re.search(r"usage|options:|exit status|examples|default:|repeatable| the ", told) is None

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
    def test_is_shown_by_every_console(self, encoding: str) -> None:
        environment = {**os.environ, "WHATSSELF_OTEL_LANG": "pt-BR", "PYTHONIOENCODING": encoding}
        command = [sys.executable, "-m", "whatsself_otel.cli", "trace", "--help"]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)

        told = done.stdout.decode(encoding)
        assert ("opcoes:" if encoding == "ascii" else "opções:") in told
        assert "?" not in told


class TestErrors:
    @pytest.mark.usefixtures("portuguese")
    @pytest.mark.parametrize(
        ("words", "told"),
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
            ("vendors show honeycom", "Você quis dizer honeycomb? Existem: aws"),
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
    @pytest.mark.parametrize(
        ("variables", "expected"),
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

    def test_english_reads_no_catalogue(self) -> None:
        program = (
            "import whatsself_otel.cli as c; c.parser().format_help(); from whatsself_otel.cli import language as l"
        )
        command = [sys.executable, "-c", f"{program}; print(l.catalogue.cache_info().misses)"]
        environment = {**os.environ, "WHATSSELF_OTEL_LANG": "en"}

        assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "0\n"
