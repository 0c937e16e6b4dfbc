"""The audit reports personal data by class and place in any form of telemetry, and never shows it."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from masking_records import kept, records
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rows import for_each

from whatsself_otel.cli import main
from whatsself_otel.masking import Masker
from whatsself_otel.masking.audit import PiiError, assert_no_pii, find_pii

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

PHONE = "+5511987654321"
CLEAN = (
    '{"level":"info","ts":"2026-11-23T12:00:00.123Z","msg":"sent","contactId":"clh3k2j0x0000qzrmn831i7rn",'
    '"err":{"type":"E","message":"closed"}}\n'
)
LEAKING = f'{{"level":"info","msg":"from {PHONE}","body":"oi, tudo bem?","contact":{{"name":"Maria"}}}}\n'


def spans_with(name: str, attributes: dict[str, str]) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("shop").start_as_current_span(name, attributes=attributes):
        pass
    return list(exporter.get_finished_spans())


class TestFindPii:
    def test_reports_class_and_place_of_each(self) -> None:
        leaks = find_pii(CLEAN + LEAKING)

        assert [(leak.rule, leak.place) for leak in leaks] == [
            ("phone", "line 2: msg"),
            ("body", "line 2: body"),
            ("name", "line 2: contact.name"),
        ]

    def test_finds_nothing_in_clean_logs(self) -> None:
        assert find_pii(CLEAN * 3) == []

    def test_never_shows_the_value(self) -> None:
        shown = " ".join(str(leak) for leak in find_pii(LEAKING))

        assert not any(secret in shown for secret in ("98765", "tudo", "Maria"))

    def test_reads_spans_of_the_sdk(self) -> None:
        spans = spans_with(f"GET /c/{PHONE}", {"contact.phone": "34567890", "http.route": "/c/{id}"})

        assert [leak.rule for leak in find_pii(spans)] == ["phone", "phone"]

    def test_finds_nothing_in_clean_spans(self) -> None:
        assert find_pii(spans_with("GET /c/{id}", {"http.route": "/c/{id}", "service.name": "shop"})) == []

    @for_each("pack", [bytes, gzip.compress])
    def test_reads_otlp_bytes(self, pack: type[bytes]) -> None:
        leaking = encode_spans(spans_with("take", {"note": f"wrote to {PHONE}"})).SerializeToString()
        clean = encode_spans(spans_with("take", {"note": "wrote"})).SerializeToString()

        assert "phone" in {leak.rule for leak in find_pii(pack(leaking))}
        assert find_pii(pack(clean)) == []

    def test_reads_otlp_json_by_attribute_name(self) -> None:
        attribute = {"key": "customer_name", "value": {"stringValue": "Maria"}}
        request = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "take", "attributes": [attribute]}]}]}]}

        assert [leak.rule for leak in find_pii(request)] == ["name"]

    def test_finds_canaries_however_they_are_encoded(self) -> None:
        leaks = find_pii("GET /x?y=can%C3%A1rio", canaries=["canário"])

        assert [leak.rule for leak in leaks] == ["canary"]
        assert "canário" not in str(leaks[0])

    def test_reads_what_is_no_json_though_it_looks_so(self) -> None:
        assert [leak.rule for leak in find_pii(f"{{{PHONE}")] == ["phone"]

    def test_finds_it_however_deep_it_lies(self) -> None:
        deep: object = "to +5511987654321"
        for _ in range(60):
            deep = [deep]

        assert {leak.rule for leak in find_pii(deep)} == {"phone"}

    @for_each("source", [b"", "", {}, [], None, b"\xff\xfe\x00", b"\n", "{" * 5000])
    def test_survives_anything(self, source: object) -> None:
        assert find_pii(source) == []


class TestAssertNoPii:
    def test_passes_when_clean(self, tmp_path: Path) -> None:
        file = tmp_path / "app.log"
        file.write_text(CLEAN, encoding="utf-8")

        assert_no_pii(file)

    def test_fails_with_class_and_place(self) -> None:
        with pytest.raises(PiiError, match=r"3 personal value\(s\) found.*\n.*phone at line 1: msg"):
            assert_no_pii(LEAKING)


class TestCommand:
    def test_reports_and_exits_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "app.log"
        file.write_text(CLEAN + LEAKING, encoding="utf-8")

        assert main(["audit", str(file)]) == 1
        shown = capsys.readouterr().out
        assert "3 personal value(s)" in shown
        assert "line 2: msg" in shown
        assert "98765" not in shown

    def test_a_long_report_is_cut_and_says_what_shows_all(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = tmp_path / "app.log"
        log.write_text("to +5511987654321\n" * 60, encoding="utf-8")

        assert main(["audit", str(log)]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 52
        assert lines[-1] == "  and 10 more; --json lists all"

    def test_reports_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "app.log"
        file.write_text(LEAKING, encoding="utf-8")

        assert main(["audit", str(file), "--json"]) == 1
        report = json.loads(capsys.readouterr().out)
        assert report["by_rule"] == {"phone": 1, "body": 1, "name": 1}
        assert {"rule", "place"} == set(report["leaks"][0])
        assert report["read"]["texts"] > 3

    def test_shows_nothing_that_a_terminal_obeys(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "app.log"
        file.write_text(json.dumps({"a\x1b]0;forged\x07\nall is well": PHONE}), encoding="utf-8")

        assert main(["audit", str(file)]) == 1
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert "\nall is well" not in shown

    def test_exits_0_when_clean(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "app.log"
        file.write_text(CLEAN, encoding="utf-8")

        assert main(["audit", str(file)]) == 0
        assert "nothing personal found" in capsys.readouterr().out

    def test_reads_standard_input(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LEAKING.encode())))

        assert main(["audit", "-"]) == 1
        assert "phone" in capsys.readouterr().out

    def test_says_which_file_is_missing(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "whatsself_otel.cli", "audit", str(tmp_path / "none.log")],
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 2
        assert "cannot read" in done.stderr

    @for_each(
        "content", [b"", b"\n\n", b"PK\x03\x04\x14\x00" + bytes(range(256)), b"\xff\xfe\xfd", b"\x1f\x8b\x08\x00cut"]
    )
    def test_what_cannot_be_read_is_never_clean(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
    ) -> None:
        file = tmp_path / "app.log"
        file.write_bytes(content)

        assert main(["audit", str(file)]) == 4
        assert "cannot be read" in capsys.readouterr().out
        with pytest.raises(PiiError, match="unreadable"):
            assert_no_pii(file)

    def test_says_how_much_it_has_read(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "app.log"
        file.write_text("one line\nand another\n", encoding="utf-8")

        assert main(["audit", str(file)]) == 0
        assert "2 texts of 19 characters read" in capsys.readouterr().out

    def test_shows_nothing_of_what_stands_around(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "app.log"
        file.write_text(f"Genoveva of Vinhedo wrote from {PHONE}\n", encoding="utf-8")

        main(["audit", str(file)])
        assert "Genoveva" not in capsys.readouterr().out


class TestStricterEyes:
    @for_each(
        "text, rule",
        [
            ("reference 98765432", "digits"),
            ("left +55********8765-4321", "phone"),
            ("from NTUxMTk4NzY1NDMyMQ==", "base64"),
            ("Mariana wrote", "name"),
            ('{"text": {"v": "oi"}}', "body"),
            ('{"headers": [["authorization", "x1"]]}', "secret"),
            ("sent to +290\n51234", "phone"),
        ],
    )
    def test_see_what_masking_could_leave(self, text: str, rule: str) -> None:
        assert rule in {leak.rule for leak in find_pii(text)}

    def test_pass_on_what_masking_has_masked(self) -> None:
        masker = Masker()
        masked = [masker.text(record.given) for record in records()[::9] if isinstance(record.given, str)]

        assert [(text, find_pii(text)) for text in masked if find_pii(text)] == []

    def test_pass_on_what_is_harmless(self) -> None:
        given = [case.given if case.key is None else {case.key: case.given} for case in kept()[::3]]

        assert [(each, find_pii(each)) for each in given if find_pii(each)] == []


class TestShares:
    """How many outputs with something personal are found, and how many without are suspected."""

    def test_of_300_leaking_outputs_95_percent_are_found(self) -> None:
        leaking = records()[:: len(records()) // 300][:300]

        missed = [record.cls for record in leaking if not find_pii(record.given)]

        assert len(leaking) == 300
        assert len(missed) <= 15, Counter(missed)

    def test_of_1000_clean_outputs_none_is_suspected(self) -> None:
        masker = Masker()
        hidden = records()[3 :: len(records()) // 500][:500]
        clean = [masker.value(None, record.given) for record in hidden]
        stay = kept()[1 :: len(kept()) // 500][:500]
        clean += [case.given if case.key is None else {case.key: case.given} for case in stay]

        assert len(clean) == 1_000
        assert [(each, found) for each in clean if (found := find_pii(each))] == []
