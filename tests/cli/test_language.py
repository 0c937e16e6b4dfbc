"""The command line in Portuguese: every text of the parsers is in the catalogue, and none there is stale."""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import whatsself_otel
from whatsself_otel import TelemetryConfig
from whatsself_otel._environment import OTHERS
from whatsself_otel.cli import main, parser
from whatsself_otel.cli.language import _END, _pattern, catalogue, is_portuguese, keys, translated, translated_lines
from whatsself_otel.config import variable_names

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


def table(name: str) -> dict[str, str]:
    """One table of the catalogue."""
    read: dict[str, dict[str, str]] = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    return read[name]


CLI = Path(whatsself_otel.cli.__file__).parent
CATALOGUE = CLI / "portuguese.toml"
NEEDED = {key for text in texts(parser()) for key in keys(text)}
FRAME = {"usage: "}
ERRORS = {*table("errors"), *table("problems"), *table("messages"), *table("settings")}
FOUND = {*table("checks"), *table("findings"), *table("health")}
COMMANDS = sorted({"", *next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)).choices})


class TestCatalogue:
    def test_has_every_text_of_the_parsers(self) -> None:
        missing = NEEDED - catalogue().keys()

        assert not missing, "\n".join(["write these into whatsself_otel/cli/portuguese.toml:", *sorted(missing)])

    def test_has_no_text_that_nothing_says(self) -> None:
        stale = catalogue().keys() - NEEDED - FRAME - ERRORS - FOUND

        assert not stale, "\n".join(["nothing says these any more:", *sorted(stale)])

    def test_a_text_that_is_missing_or_stale_is_seen(self) -> None:
        made_up = argparse.ArgumentParser(description="Says what nobody translated.")

        assert {key for text in texts(made_up) for key in keys(text)} - catalogue().keys() >= {made_up.description}

    def test_says_each_thing_in_portuguese_with_the_same_places(self) -> None:
        assert [key for key, text in catalogue().items() if text in {"", key}] == []
        assert [key for key, text in catalogue().items() if key.count("{}") != text.count("{}")] == []

    @pytest.mark.parametrize("kind", [r"--[a-z][a-z-]+", r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", r"`[^`]+`", r"https?://[\w:/]*"])
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


SAID = [*(CLI / "doctor").glob("*.py"), *(CLI.parent / part for part in ("export/obstacles.py", "logs/consoles.py"))]
"""The modules whose sentences the doctor prints."""
COMPOSED = {
    "Nothing has left for {} {}; {} wait.": (
        "Nothing has left for x (logs) since 2026-11-30 10:00:00Z; 7 bytes wait.",
        "Nothing has left for x (logs) since the collector started at 2026-11-30 10:00:00Z; 7 bytes wait.",
        "Nothing has left for x (logs) in the 5 s of this check; 7 bytes wait.",
    ),
    "{} {}.": ("Loki answers 401.",),
    "The receiver took it, but {} {}.": (
        "The receiver took it, but Loki does not have it.",
        "The receiver took it, but The viewer answers 500.",
        "The receiver took it, but The trace store at http://x has not answered.",
        "The receiver took it, but Loki does not answer (MaxRetryError).",
    ),
    "The receiver's clock is {} s {} this machine's.": (
        "The receiver's clock is 7 s ahead of this machine's.",
        "The receiver's clock is 7 s behind this machine's.",
    ),
    "{}: the collector's queue may not fit.": ("1.0 GB free at /x: the collector's queue may not fit.",),
    "The last export of {} failed ({});": (),
    "{} of {} hangs: it has been under way for {} s.": (
        "A request of logs hangs: it has been under way for 40 s.",
        "A collection of metrics hangs: it has been under way for 40 s.",
    ),
    "The collector counts {} {} ({}) since it started.{}": (
        "The collector counts 7 receiver refused spans (otlp) since it started.",
    ),
    "{}.": ("1.0 GB free at /x.",),
    "{} logger.": (
        (
            "Other code has put logging.Logger.callHandlers back, "
            "and the handler of this package is not on the root logger."
        ),
    ),
    "{} were dropped in the last minute ({}).": ("Log records were dropped in the last minute (queue_full).",),
    "{} writes to the console past this package, neither masked nor exported. {}": (),
}
"""Sentences of which a place holds words of ours: how they are said."""


def sentences(path: Path) -> Iterator[str]:
    """Every sentence of a module, with ``{}`` for what changes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    within |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # what describes the code
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
            text = node.value
        else:
            continue
        if re.search(r"\w.* ", text) and text.endswith((".", "?", ");")) and "\n" not in text:
            yield re.sub(r"\{\w+\}", "{}", text.strip())


def said() -> set[str]:
    """Every sentence that the doctor may print, filled in."""
    own = {text for path in SAID for text in sentences(path)} - NEEDED
    remedies = {text for text in own if re.match(r"[a-z]+ |\{\} is overloaded", text)}
    whole = {f"The last export of logs failed (ConnectionError); {text}" for text in remedies}
    filled = {text for text in own - remedies if text not in COMPOSED}
    composed = {text for texts in COMPOSED.values() for text in texts}
    return {text.replace("{}", "x7") for text in whole | filled} | composed


UNSAID = {"{} requests wait, the oldest for {} s", "Start: whatsself-otel bridge", "log records", "Log records"}
UNSAID |= {"The trace store at {}", "The viewer", "{} is installed: by itself it prints raw lines."}
"""What stands within a sentence, or has no full stop."""


class TestDoctor:
    @pytest.mark.usefixtures("portuguese")
    def test_says_each_sentence_in_portuguese(self) -> None:
        english = [text for text in said() for part in _END.split(text) if translated(part) == part]

        assert len(said()) > 100
        assert not english, "\n".join(["write these into whatsself_otel/cli/portuguese.toml:", *sorted(english)])

    def test_says_nothing_that_nobody_asks_for(self) -> None:
        parts = {part for text in said() for part in _END.split(text)}
        keys_of = {*table("findings"), *table("health")} - UNSAID
        stale = [key for key in keys_of if not any(_pattern(key).fullmatch(part) for part in parts)]

        assert not stale, "\n".join(["nothing says these any more:", *sorted(stale)])

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


FROM_ELSEWHERE = {
    "{}_FILE names {}, which cannot be read ({}).",
    "No {} is called {}.{} There are: {}.",
    "{} See {} --help.",
}
"""Errors that begin or go on with another text, or that the vendors' names make."""


def problems() -> set[str]:
    """Every message of a `CommandError` that stands where it is raised, line by line."""
    found = set()
    for path in CLI.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "CommandError" and node.args:
                found |= {part.strip() for part in template(node.args[0]).split("\n")}
    return {text for text in found - FROM_ELSEWHERE if re.search(r"\w \w", text)}


SAYS = ("translated", "translated_lines", "_say", "say", "busy", "each")
"""Functions of the command line that show what they are given."""


def messages() -> set[str]:
    """Every text that a command gives to one of `SAYS`, line by line."""
    found = set()
    for path in CLI.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SAYS and node.args:
                found |= {part.strip() for part in template(node.args[0]).split("\n")}
    return {text for text in found if re.search(r"[a-z]", text.replace("http", "").replace("grafana", ""))}


class TestMessages:
    @pytest.mark.usefixtures("portuguese")
    def test_of_every_command_are_in_the_catalogue(self) -> None:
        parts = {part.replace("{}", "x7") for text in messages() for part in _END.split(text)} - {"x7", "x7."}
        theirs = {"usage:", *(text for text in parts if text.startswith("all "))}  # of argparse, and an address
        english = [text for text in parts - theirs if translated(text) == text]

        assert len(parts) > 30
        assert not english, "\n".join(["write these into whatsself_otel/cli/portuguese.toml:", *sorted(english)])


def template(node: ast.expr) -> str:
    """The text of a literal, with ``{}`` for what changes; empty for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ""


class TestSettings:
    @pytest.mark.usefixtures("portuguese")
    def test_that_are_wrong_are_told_in_portuguese(self) -> None:
        """Every setting that a variable sets is given what it does not take."""
        names = [name for name in variable_names() if "(" not in name and not name.endswith("_FILE")]
        config = TelemetryConfig(environ=dict.fromkeys([*names, "WHATSSELF_OTEL_NOTHING"], "\x00 no value of it"))
        config_file = TelemetryConfig(environ=dict.fromkeys((other.name for other in OTHERS), "x"))
        told = [translated(problem) for problem in (*config.problems, *config_file.problems)]

        assert len(told) > 30
        assert (
            "\n".join(line for line in told if re.search(r"\b(must|got|instead|unset|effect|Correct|is not)\b", line))
            == ""
        )


class TestErrors:
    @pytest.mark.usefixtures("portuguese")
    def test_of_every_command_are_in_the_catalogue(self) -> None:
        whole = {re.sub(r"^\{\} (?=[A-Z])|(?<=[.?]) \{\}(?= [A-Z]|$)", "", text) for text in problems()}
        parts = {part.replace("{}", "x7") for text in whole for part in _END.split(text)}
        english = [text for text in parts if not text.startswith("whatsself-otel ") and translated(text) == text]

        assert len(problems()) > 50
        assert not english, "\n".join(["write these into whatsself_otel/cli/portuguese.toml:", *sorted(english)])

    @pytest.mark.usefixtures("portuguese")
    def test_keep_what_a_program_said_line_by_line(self) -> None:
        told = "The stack did not start. otelcol ends with:\n  panic: a  line\n  that nobody translates"

        assert translated_lines(told) == (
            "A pilha não iniciou. otelcol termina com:\n  panic: a  line\n  that nobody translates"
        )

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
