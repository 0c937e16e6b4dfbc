"""SQLAlchemy 2.1: one span a statement, sync and async, several engines, nothing leaked."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.metrics import NoOpMeter
from rows import for_each
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from whatsself_otel import Telemetry, message_context
from whatsself_otel.integrations import sqlalchemy as instrumentation
from whatsself_otel.integrations.contrib_statements import StatementTracer
from whatsself_otel.integrations.sql_names import operation_of

if TYPE_CHECKING:
    from pathlib import Path

from otlp_sink import Sink

Start = Callable[..., Telemetry]


@pytest.fixture(params=["contrib", "own"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for both ways of instrumenting."""
    monkeypatch.setenv("WHATSSELF_OTEL_INSTRUMENTATION", request.param)


class TestSpans:
    def test_a_sync_engine_makes_one_span_a_statement(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        with engine.connect() as connection:
            connection.execute(text("select 1"))
            connection.execute(text("select 2"))

        assert telemetry.force_flush(30)
        assert [span.attributes["db.system.name"] for span in sink.spans()] == ["sqlite", "sqlite"]
        engine.dispose()

    async def test_an_async_engine_makes_one_span_a_statement(self, start: Start, sink: Sink, tmp_path: Path) -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
        telemetry = start(engine=engine)
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))
        await engine.dispose()

        assert telemetry.force_flush(30)
        assert len(sink.spans()) == 1

    def test_several_engines_are_all_traced_and_none_twice(self, start: Start, sink: Sink) -> None:
        engines = [create_engine("sqlite://"), create_engine("sqlite://")]
        telemetry = start(engine=engines[0])
        telemetry.instrument_engine(engines[1])
        telemetry.instrument_engine(engines[0])
        for engine in engines:
            with engine.connect() as connection:
                connection.execute(text("select 1"))
            engine.dispose()

        assert telemetry.force_flush(30)
        assert len(sink.spans()) == 2

    def test_one_statement_by_any_handle_of_an_engine_is_one_span(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        handles = [engine, *(engine.execution_options(tenant=number) for number in range(4))]
        handles.append(handles[-1].execution_options(stream_results=True))
        telemetry = start(engine=handles[-1])  # a handle comes first: it is not the one that owns the dialect
        for handle in handles:
            telemetry.instrument_engine(handle)
        for handle in handles:
            with handle.connect() as connection:
                connection.execute(text("select 1"))

        assert telemetry.force_flush(30)
        assert len(sink.spans()) == len(handles)
        telemetry.shutdown()
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        engine.dispose()
        assert len(sink.spans()) == len(handles)

    async def test_one_statement_by_any_handle_of_an_async_engine_is_one_span(
        self, start: Start, sink: Sink, tmp_path: Path
    ) -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
        handle = engine.execution_options(isolation_level="AUTOCOMMIT")
        telemetry = start(engine=engine)
        telemetry.instrument_engine(handle)
        telemetry.instrument_engine(engine.sync_engine.execution_options(tenant=1))
        async with handle.connect() as connection:
            await connection.execute(text("select 1"))
        await engine.dispose()

        assert telemetry.force_flush(30)
        assert len(sink.spans()) == 1

    def test_a_handle_that_is_dropped_leaves_its_engine_traced_until_shutdown(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine.execution_options(tenant=1))
        gc.collect()
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        telemetry.shutdown()
        with engine.connect() as connection:
            connection.execute(text("select 2"))
        engine.dispose()

        assert [span.attributes["db.query.text"] for span in sink.spans()] == ["select ?"]

    def test_statements_carry_the_ids(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        with message_context(contact_id="c1", message_id="m1"), engine.connect() as connection:
            connection.execute(text("select 1"))
        engine.dispose()

        assert telemetry.force_flush(30)
        assert [(span.attributes["contactId"], span.attributes["messageId"]) for span in sink.spans()] == [("c1", "m1")]

    def test_literals_and_driver_errors_leave_masked(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        with engine.connect() as connection:
            connection.execute(text("create table contact (phone text primary key)"))
            connection.execute(text("insert into contact values ('+5511987654321')"))
            with pytest.raises(IntegrityError):
                connection.execute(text("insert into contact values ('+5511987654321')"))
        engine.dispose()

        assert telemetry.force_flush(30)
        assert b"987654321" not in b"".join(export.body for export in sink.received)
        assert len(sink.spans()) == 3

    def test_what_the_caller_wants_unseen_has_no_span(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        with engine.connect() as connection, suppress_instrumentation():
            connection.execute(text("select 1"))
            with pytest.raises(OperationalError):
                connection.execute(text("select nothing from nowhere"))
        engine.dispose()

        assert telemetry.force_flush(30)
        assert sink.spans() == []

    def test_a_statement_that_is_long_or_one_of_very_many_has_its_own_text(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        long = "select " + ", ".join(f"1 as c{number}" for number in range(1_500))
        with engine.connect() as connection:
            for number in range(1_100):
                connection.exec_driver_sql(f"select 1 as c{number}")
            for _ in range(2):
                connection.exec_driver_sql(long)
            connection.exec_driver_sql("select 1 as c1099")
        engine.dispose()

        assert telemetry.force_flush(30)
        texts = [span.attributes["db.query.text"] for span in sink.spans()]
        assert texts[:1_100] == [f"select ? as c{number}" for number in range(1_100)]
        assert [text.count("? as c") for text in texts[1_100:]] == [1_500, 1_500, 1]
        assert texts[-1] == "select ? as c1099"

    def test_no_span_is_made_after_shutdown(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        telemetry.shutdown()
        with engine.connect() as connection:
            assert connection.execute(text("select 1")).scalar() == 1
        engine.dispose()

        assert sink.spans() == []

    def test_an_engine_is_traced_again_after_a_new_setup(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        start(engine=engine).shutdown()
        telemetry = start(engine=engine)
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        engine.dispose()

        assert telemetry.force_flush(30)
        assert len(sink.spans()) == 1

    def test_an_engine_that_is_dropped_is_freed(self, start: Start) -> None:
        engine = create_engine("sqlite://")
        telemetry = start()
        telemetry.instrument_engine(engine)
        engine.dispose()
        gone = weakref.ref(engine)
        del engine
        gc.collect()

        assert gone() is None

    def test_what_the_dialect_asks_for_itself_has_no_span(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = create_engine("sqlite://")
        asked: list[str] = []

        def initialize(connection: Any) -> None:
            asked.append(connection.exec_driver_sql("select 'about the server'").scalar())

        monkeypatch.setattr(engine.dialect, "initialize", initialize)
        telemetry = start(engine=engine)
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        engine.dispose()

        assert telemetry.force_flush(30)
        assert asked == ["about the server"]
        assert [span.attributes["db.query.text"] for span in sink.spans()] == ["select ?"]

    def test_many_rows_and_no_parameters_are_one_span_each_way(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        with engine.begin() as connection:
            connection.exec_driver_sql("create table contact (id integer)")
            connection.execute(text("insert into contact values (:id)"), [{"id": 1}, {"id": 2}])
            connection.execution_options(no_parameters=True).exec_driver_sql("select id from contact")
        engine.dispose()

        assert telemetry.force_flush(30)
        assert [span.attributes["db.operation.name"] for span in sink.spans()] == ["CREATE", "INSERT", "SELECT"]

    def test_a_statement_that_the_application_cancels_ends_its_span(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = create_engine("sqlite://")

        def cancel(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(engine.dialect, "do_execute", cancel)
        telemetry = start(engine=engine)
        with engine.connect() as connection, pytest.raises(KeyboardInterrupt):
            connection.execute(text("select 1"))
        engine.dispose()

        assert telemetry.force_flush(30)
        assert [span.status_code for span in sink.spans()] == [2]


class TestTheLeanWay:
    """What only it could do wrong: it shadows methods of the dialect instead of listening to events."""

    @pytest.fixture(autouse=True)
    def own(self, way: None, monkeypatch: pytest.MonkeyPatch) -> None:
        del way
        monkeypatch.setenv("WHATSSELF_OTEL_INSTRUMENTATION", "own")

    def test_leaves_an_engine_without_listeners_which_each_connection_would_pay_for(self, start: Start) -> None:
        engine = create_engine("sqlite://")
        start(engine=engine)

        assert not engine._has_events
        engine.dispose()

    def test_serves_a_dialect_that_calls_itself_with_keywords(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        raw = engine.raw_connection()
        cursor = raw.cursor()
        engine.dialect.do_execute(cursor, "select ?", (1,), context=None)
        engine.dialect.do_execute_no_params(cursor, "select 2")

        assert cursor.fetchall() == [(2,)]
        assert telemetry.force_flush(30)
        assert len(sink.spans()) == 2
        raw.close()
        engine.dispose()

    def test_executes_a_statement_that_it_cannot_read(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: str) -> str:
            raise ValueError

        monkeypatch.setattr("whatsself_otel.integrations.own_sqlalchemy.operation_of", fail)
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        with engine.connect() as connection:
            assert connection.execute(text("select 1")).scalar() == 1
        engine.dispose()

        assert telemetry.force_flush(30)
        assert sink.spans() == []

    def test_gives_back_what_somebody_else_had_put_there(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        seen: list[str] = []
        theirs = shadow(engine, seen)
        telemetry = start(engine=engine)
        with engine.connect() as connection:
            connection.execute(text("select :n"), {"n": 1})
        telemetry.shutdown()

        assert vars(engine.dialect)["do_execute"] is theirs
        assert "do_executemany" not in vars(engine.dialect)
        assert len(seen) == len(sink.spans()) == 1
        engine.dispose()

    def test_makes_no_more_spans_under_what_somebody_else_has_put_over_it(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        seen: list[str] = []
        theirs = shadow(engine, seen)
        instrumentation.uninstrument_engine(engine)
        with engine.connect() as connection:
            assert connection.execute(text("select :n"), {"n": 1}).scalar() == 1

        assert telemetry.force_flush(30)
        assert vars(engine.dialect)["do_execute"] is theirs
        assert (len(seen), sink.spans()) == (1, [])
        engine.dispose()


def shadow(engine: Any, seen: list[str]) -> Any:
    """Do what another library may do: look at statements on their way through the dialect."""
    execute = engine.dialect.do_execute

    def look(cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)
        execute(cursor, statement, *rest)

    engine.dialect.do_execute = look
    return look


class TestNames:
    @for_each(
        "statement, name, operation",
        [
            ("select * from contacts where id = 1", "SELECT contacts", "SELECT"),
            ("/* a\n b */ insert into messages values (1)", "INSERT messages", "INSERT"),
            ('update "contacts" set a = 1', "UPDATE contacts", "UPDATE"),
            ("create table if not exists shop (id int)", "CREATE shop", "CREATE"),
            ("pragma foreign_keys", "PRAGMA", "PRAGMA"),
            ("/* nothing */", "sqlite", ""),
            ("", "sqlite", ""),
        ],
    )
    def test_a_span_is_called_by_what_it_does_to_which_table(
        self, start: Start, statement: str, name: str, operation: str
    ) -> None:
        engine = create_engine("sqlite://")
        telemetry = start()
        unused = NoOpMeter("none").create_up_down_counter("none")
        called = StatementTracer(telemetry.tracer, engine, unused)._operation_name("/home/shop/shop.db", statement)
        engine.dispose()
        telemetry.shutdown()

        assert called == name
        assert operation_of(statement) == operation

    def test_no_path_of_the_machine_leaves(self, start: Start, sink: Sink, tmp_path: Path) -> None:
        engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
        telemetry = start(engine=engine)
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        engine.dispose()
        assert telemetry.force_flush(30)

        (span,) = sink.spans()
        assert (span.name, span.attributes["db.namespace"]) == ("SELECT", "shop.db")
        assert str(tmp_path).encode() not in b"".join(export.body for export in sink.received)


class TestConventions:
    def test_they_are_the_stable_ones_even_if_another_library_instrumented_first(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability as Stability

        monkeypatch.setattr(Stability, "_initialized", False)
        Stability._initialize()  # type: ignore[no-untyped-call]
        assert self._attributes_of_a_statement(start, sink)["db.system.name"] == "sqlite"

    def test_those_of_before_are_sent_too_where_the_user_asks_for_both(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability as Stability

        monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "database/dup")
        monkeypatch.setattr(Stability, "_initialized", False)
        attributes = self._attributes_of_a_statement(start, sink)

        assert (attributes["db.system"], attributes["db.system.name"]) == ("sqlite", "sqlite")

    def _attributes_of_a_statement(self, start: Start, sink: Sink) -> dict[str, Any]:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        engine.dispose()
        assert telemetry.force_flush(30)
        return sink.spans()[0].attributes


class TestVersions:
    def test_the_installed_version_is_supported(self) -> None:
        assert instrumentation.version_problem() is None

    def test_another_version_is_said_loudly_and_once(
        self, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(instrumentation, "version", lambda _name: "3.4.5")
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        telemetry.instrument_engine(create_engine("sqlite://"))

        said = [record.getMessage() for record in caplog.records if "SQLAlchemy 3.4.5" in record.getMessage()]
        assert len(said) == 1
        assert not telemetry.health().ok
        engine.dispose()
