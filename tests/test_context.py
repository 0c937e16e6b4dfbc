"""The ids that follow one message."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsself_otel import capture_context, current_attributes, message_context, resume_context
from whatsself_otel.context import MAX_ID_LENGTH


class TestMessageContext:
    def test_binds_inside_and_restores_outside(self) -> None:
        with message_context(contact_id="c1", message_id="m1"):
            assert current_attributes() == {"contactId": "c1", "messageId": "m1"}

        assert current_attributes() == {}

    def test_nests_and_inner_values_win(self) -> None:
        with message_context(contact_id="c1"), message_context(contact_id="c2", flow_id="f"):
            assert current_attributes() == {"contactId": "c2", "flowId": "f"}

    def test_restores_after_an_exception(self) -> None:
        with pytest.raises(ZeroDivisionError), message_context(contact_id="c1"):
            raise ZeroDivisionError

        assert current_attributes() == {}

    def test_none_leaves_a_key_as_it_is(self) -> None:
        with message_context(contact_id="c1"), message_context(contact_id=None):
            assert current_attributes() == {"contactId": "c1"}

    def test_a_number_becomes_text_and_a_long_id_is_cut(self) -> None:
        with message_context(contact_id=7, message_id="x" * 1000):
            assert current_attributes() == {"contactId": "7", "messageId": "x" * MAX_ID_LENGTH}

    def test_an_id_that_cannot_be_shown_is_left_out(self) -> None:
        class Rude:
            def __str__(self) -> str:
                raise RuntimeError

        with message_context(contact_id=Rude()):
            assert current_attributes() == {}


class TestPropagation:
    async def test_two_tasks_do_not_see_each_other(self) -> None:
        async def work(contact: str) -> list[dict[str, str]]:
            seen = []
            with message_context(contact_id=contact):
                for _ in range(5):
                    await asyncio.sleep(0)
                    seen.append(dict(current_attributes()))
            return seen

        results = await asyncio.gather(*(work(f"c{n}") for n in range(50)))

        assert results == [[{"contactId": f"c{n}"}] * 5 for n in range(50)]

    async def test_crosses_into_tasks_and_worker_threads(self) -> None:
        with message_context(contact_id="c1"):
            task = asyncio.create_task(_read())
            in_thread = await asyncio.to_thread(lambda: dict(current_attributes()))

        assert (await task, in_thread) == ({"contactId": "c1"}, {"contactId": "c1"})

    def test_crosses_into_a_thread_with_a_copied_context_only(self) -> None:
        seen: list[dict[str, str]] = []
        with message_context(contact_id="c1"):
            context = contextvars.copy_context()
        for target in (
            lambda: context.run(lambda: seen.append(dict(current_attributes()))),
            lambda: seen.append(dict(current_attributes())),
        ):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

        assert seen == [{"contactId": "c1"}, {}]


class TestStoredContext:
    def test_survives_json_and_continues_the_ids(self) -> None:
        with message_context(contact_id="c1", message_id="m1"):
            stored = json.dumps(capture_context())

        with resume_context(json.loads(stored)):
            assert current_attributes() == {"contactId": "c1", "messageId": "m1"}

    def test_replaces_what_was_bound(self) -> None:
        with message_context(contact_id="other"), resume_context({"messageId": "m1"}):
            assert current_attributes() == {"messageId": "m1"}

    @given(
        st.one_of(
            st.none(),
            st.text(),
            st.integers(),
            st.dictionaries(st.text(), st.one_of(st.text(), st.none(), st.integers(), st.binary())),
        )
    )
    def test_anything_else_is_ignored(self, carrier: object) -> None:
        with resume_context(carrier):
            assert isinstance(dict(current_attributes()), dict)


async def _read() -> dict[str, str]:
    await asyncio.sleep(0)
    return dict(current_attributes())
