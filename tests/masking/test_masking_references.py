"""The reference that stands for an id of the Cloud API wherever one leaves."""

from __future__ import annotations

import base64
import random
from urllib.parse import quote

from rows import for_each

from whatsself_otel.masking import Masker, message_ref
from whatsself_otel.masking.references import REFERENCE

PHONE = "5511987654321"
MASKER = Masker()


def cloud_id(phone: str, tail: str, kind: str = "wamid") -> str:
    record = b"\x1c\x18" + bytes([len(phone)]) + phone.encode() + b"\x15\x02\x00\x12\x18\x16" + tail.encode() + b"\x00"
    return f"{kind}.{base64.b64encode(record).decode()}"


ID = cloud_id(PHONE, "3EB0C767D26A1B2C4D5E")


def test_is_short_stable_and_one_way() -> None:
    assert message_ref(ID) == "wamid:bb2379fc12dab4dc748376cb"
    assert REFERENCE.fullmatch(message_ref(ID))


def test_tells_messages_of_one_contact_apart() -> None:
    assert len({message_ref(cloud_id(PHONE, f"3EB0{n:018X}")) for n in range(100)}) == 100


def test_a_call_has_one_too() -> None:
    assert message_ref(cloud_id(PHONE, "3EB0C767D26A1B2C", "wacid")).startswith("wacid:")


def test_an_id_cut_of_its_prefix_or_padding_is_the_same_message() -> None:
    assert {message_ref(ID), message_ref(ID.removeprefix("wamid.")), message_ref(ID.rstrip("="))} == {message_ref(ID)}


@for_each("other", ["3EB0C767D26A1B2C", "cm3k2v9x", "", "wamid.x", message_ref(ID)])
def test_any_other_id_stays(other: str) -> None:
    assert message_ref(other) == other


@for_each(
    "text",
    ["{}", "sent {} twice", '{{"id": "{}", "n": 1}}', "message_id={} ok", "/v20.0/{}/x?y=1", "[('id', '{}')]"],
)
def test_stands_wherever_the_id_stood(text: str) -> None:
    for written in (ID, quote(ID, safe="")):
        assert MASKER.text(text.format(written)) == text.format(message_ref(ID)).replace("{{", "{").replace("}}", "}")
        assert MASKER.url(text.format(written)) == MASKER.text(text.format(message_ref(ID)))


def test_stands_under_the_names_of_ids() -> None:
    keys = ("messageId", "messaging.message.id", "wamid", "id")

    assert MASKER.attributes(dict.fromkeys(keys, ID)) == dict.fromkeys(keys, message_ref(ID))
    assert MASKER.identifier(ID) == message_ref(ID)


def test_is_read_a_second_time_without_change() -> None:
    drawn = random.Random(18)
    for _ in range(5_000):
        text = f"sent {message_ref(cloud_id(PHONE, f'{drawn.getrandbits(72):018X}'))} ok"

        assert MASKER.text(text) == text
        assert MASKER.identifier(text.split()[1]) == text.split()[1]
