"""
Invented records by class: they measure what masking finds and what it damages.

Every value is made here: no phone, name, key or token of anybody. The seed is fixed, so that a record keeps its number.
"""

from __future__ import annotations

import base64
import json
import pprint
import random
import string
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOBILE = "5521976543210"
OTHER = "5585965432109"
BASE36 = string.digits + string.ascii_lowercase
HEX = "0123456789abcdef"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """One input, and what of it must not leave."""

    cls: str
    promise: str
    """P: README or SECURITY.md promise it; D: the table of detectors does."""
    given: object
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class Keep:
    """One named input that must stay as it is."""

    cls: str
    key: str | None
    given: object
    correlates: bool = False


def text_of(drawn: random.Random, alphabet: str, length: int) -> str:
    return "".join(drawn.choices(alphabet, k=length))


def cloud_id(phone: str, drawn: random.Random, kind: str = "wamid") -> str:
    tail = text_of(drawn, "0123456789ABCDEF", 20).encode()
    content = b"\x1c\x18" + bytes([len(phone)]) + phone.encode() + b"\x15\x02\x00\x12\x18\x14" + tail + b"\x00"
    return f"{kind}.{base64.b64encode(content).decode()}"


# -- phones -----------------------------------------------------------------------------------------------------------

SEPARATORS = {
    "spaces": " ",
    "hyphens": "-",
    "dots": ".",
    "slashes": "/",
    "commas": ",",
    "underscores": "_",
    "bars": "|",
    "stars": "*",
    "equals": "=",
    "line breaks": "\n",
    "backslashes": "\\",
    "apostrophes": "'",
    "comma and space": ", ",
    "no-break spaces": "\xa0",
}
PLACES = ("sent to {}: ok", '{{"u": "{}", "n": 2}}', "GET /c/{} 200", "no session ({})", "at {}", "{} answered")


def world() -> list[phonenumbers.PhoneNumber]:
    examples = [
        phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    ]
    return [number for number in examples if number is not None]


def e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]


def groups(number: phonenumbers.PhoneNumber) -> list[str]:
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)[1:].replace("-", " ").split()


def placed(text: str, at: int) -> str:
    return PLACES[at % len(PLACES)].format(text)


def phones() -> Iterator[Record]:
    for at, number in enumerate(world()):
        parts, digits = groups(number), e164(number)
        for name, separator in SEPARATORS.items():
            if (at + len(name)) % 3 == 0:
                yield Record(f"phone/{name}", "D", placed("+" + separator.join(parts), at), (digits,))
        yield Record("phone/trunk zero", "P", placed(f"+{parts[0]} (0) {'-'.join(parts[1:])}", at), (digits,))
        yield Record("phone/tight trunk zero", "P", placed(f"+{parts[0]} (0){' '.join(parts[1:])}", at), (digits,))
        yield Record("phone/brackets", "D", placed(f"+{parts[0]} [{parts[1]}] {' '.join(parts[2:])} ", at), (digits,))
    for area in (11, 21, 31, 48, 51, 62, 71, 85, 92):
        for middle in ("97654", "98123", "99201", "96112"):
            digits = f"55{area}{middle}3210"
            national = f"{area} {middle}-3210"
            for form in (
                f"+55 0{national}",
                f"+55 (0{area}) {middle}-3210",
                f"+55({area}){middle}-3210",
                f"+55 {national}",
                f"({area}) {middle}-3210",
                f"0{national}",
                f"0xx{national}",
                f"{area} {middle[0]} {middle[1:]}-3210",
                f"{area}.{middle}.3210",
            ):
                yield Record("phone/Brazilian", "P", placed(form, area), (digits,))
    yield from glued()


BEFORE = (
    "phone",
    "jid",
    "c",
    "p",
    "u",
    "wa",
    "to",
    "id",
    "contact",
    "chat_",
    "num:",
    "*",
    "_",
    "~",
    "#",
    "\x1b[32m",
    "\x1b[1;31m",
    "tel",
    "x",
    "z",
)
AFTER = (
    ".12",
    ".5",
    ".1732600000.jpg",
    ".jpg",
    ".pdf",
    "_1",
    " us",
    " ms",
    " B",
    "B",
    "x",
    "*",
    "_",
    "\x1b[0m",
    ",",
    " kB",
    "-1732600000",
    " bytes",
    "!",
    "s",
)


def glued() -> Iterator[Record]:
    for at, digits in enumerate((MOBILE, OTHER, "5511976543210", "551134567890", "351912345670", "4915123456780")):
        for before in BEFORE:
            yield Record("phone/after a neighbour", "D", f"cache key {before}{digits} miss {at}", (digits,))
        for after in AFTER:
            if after in {" us", " ms", " B", "B", " kB", " bytes", "x", "s"} and not digits.startswith("55"):
                continue
            yield Record("phone/before a neighbour", "P", f"please see {digits}{after} today", (digits,))
        for domain in ("s.whatsapp.net", "c.us", "hosted"):
            for device in ("", ":12", ".3:7"):
                yield Record("jid", "P", f"recv from {digits}{device}@{domain}", (digits,))
        yield Record("jid/old group", "P", f"joined {digits}-1604567890@g.us", (digits,))
    for number in ("216543210987654", "98765432109876"):
        yield Record("jid/lid", "P", f"recv from {number}@lid ok", (number,))


# -- values under names -----------------------------------------------------------------------------------------------

WORDS = ("Loratadina", "Ofelia Quintanilha", "laudo do Amadeu", "Rua das Camelias 12", "dor nas costas, doutora")
BODY_KEYS = (
    "text",
    "body",
    "caption",
    "message_text",
    "mensagem",
    "legenda",
    "conteudo",
    "resposta",
    "observacao",
    "quoted_message",
)
NAME_KEYS = (
    "pushName",
    "contact_name",
    "nomeCliente",
    "verifiedBizName",
    "notifyName",
    "senderName",
    "chatName",
    "formattedName",
    "shortName",
    "apelido",
)
SECRET_KEYS = (
    "password",
    "access_token",
    "api_key",
    "mediaKey",
    "authkey",
    "PGPASSWORD",
    "advSecretKey",
    "messageSecret",
    "client_secret",
    "x-api-key",
    "privKey",
    "rootKey",
    "chainKey",
)


def spellings(key: str, value: str) -> Iterator[tuple[str, object]]:
    """One value under one key, as data is written."""
    yield "JSON", json.dumps({key: value, "n": 1})
    yield "JSON list", json.dumps({key: [value, f"e {value}"], "n": 1})
    yield "JSON object", json.dumps({key: {"v": value}, "n": 1})
    yield "JSON, indented", "received\n" + json.dumps({"a": {key: value}}, indent=2)
    yield "JSON in JSON", json.dumps({"raw": json.dumps({key: value, "n": 1})})
    yield "JSON in JSON in JSON", json.dumps({"raw": json.dumps({"x": json.dumps({key: [value]})})})
    yield "repr", f"got { ({'n': 1, key: value})!r}"
    yield "repr list", f"got { ({key: [value]})!r}"
    yield "repr object", f"ValueError: bad payload: { ({'a': [{key: {'v': value}}]})!r}"
    yield "pprint", pprint.pformat({"data": {key: f"{value} e {value} de novo", "id": "3EB0"}}, width=40)
    yield "k='v'", f"Message(id=9, {key.replace('-', '_')}={value!r}, ok=True)"
    yield 'k="v"', f'send id=9 {key}="{value}" ok=1'
    yield 'k="v" with quotes', f'send id=9 {key}="ele disse "{value}" ontem" ok=1'
    yield "URL", f"GET /send?{urlencode({key: value})}&page=2 200"
    yield "form", urlencode({"page": "2", key: value, "n": "1"})
    yield "structured", {"payload": {"a": [{key: value}]}}
    yield "JSON under a name", {"payload": json.dumps({key: {"v": value}})}


def keyed() -> Iterator[Record]:
    for keys, promise, kind in ((BODY_KEYS, "P", "content"), (NAME_KEYS, "P", "name"), (SECRET_KEYS, "P", "secret")):
        for at, key in enumerate(keys):
            for index, word in enumerate(WORDS if kind != "secret" else ("s3nh4F0rte", "Zx9/kQ+ab)cd==", "hunter22;x")):
                for spelling, given in spellings(key, word):
                    if index == 0 or (at + index + len(spelling)) % 2:
                        yield Record(f"{kind}/{spelling}", promise, given, (parts_of(word)))
    for key in ("text", "body", "texto", "mensagem"):
        for word in ("Loratadina", "=Loratadina", "(Loratadina", "oi\nLoratadina", "a <b> Loratadina"):
            yield Record("content/k=v", "P", f"send id=9 {key}={word}", ("Loratadina",))
            yield Record("content/k: v", "P", f"send {key}: {word}", ("Loratadina",))
    for key in ("password", "senha", "token"):
        for link in ("=", ": ", " = ", " => ", "\t", " := ", '="', "='"):
            yield Record("secret/link", "P", f"connecting {key}{link}s3nh4)F0rte", ("F0rte",))


def parts_of(word: str) -> tuple[str, ...]:
    return tuple(part for part in word.replace(",", " ").split() if len(part) > 4) or (word,)


# -- secrets ----------------------------------------------------------------------------------------------------------


def secrets() -> Iterator[Record]:
    drawn = random.Random("secrets")
    for _ in range(25):
        value = text_of(drawn, string.ascii_letters + string.digits, 28)
        tail = (value[8:20],)
        for kind, given in {
            "header pairs": f"[('authorization', '{value}'), ('cookie', 'sid={value}')]",
            "ASGI headers": f"[(b'authorization', b'{value}'), (b'x-api-key', b'{value}')]",
            "headers of JSON": json.dumps({"headers": [["Authorization", value], ["X-Api-Key", value]]}),
            "name and value": json.dumps({"headers": [{"name": "authorization", "value": value}]}),
            "arguments": f"['python','app.py','--token','{value}','--password={value}']",
            "command line": f"app.py --api-key {value} --port 80",
            "path": f"POST https://api.example/instances/3C/token/{value}/send-text 200",
            "bot path": f"GET https://api.example/bot123456:{value}/getMe",
            "environment": f"PGPASSWORD={value} psql -h db",
            "header": f"X-Api-Key: {value}\nAccept: */*",
            "bearer": f"Authorization: Bearer {value}",
            "dsn": f"postgresql://app:{value}@db:5432/app",
        }.items():
            yield Record(f"secret/{kind}", "P", given, tail)
        for kind, shaped in {
            "header pairs, structured": {"headers": [["authorization", value], ["x-api-key", value]]},
            "tuples, structured": {"headers": [(b"authorization", value.encode())]},
            "name and value, structured": {"headers": [{"name": "authorization", "value": value}]},
            "key and value, structured": {"env": [{"key": "PGPASSWORD", "value": value}]},
        }.items():
            yield Record(f"secret/{kind}", "P", shaped, tail)
    for prefix, alphabet, size in PREFIXES:
        for _ in range(6):
            value = prefix + text_of(drawn, alphabet, size)
            yield Record("secret/prefix", "D", f"calling with {value} now", (value[-12:],))
    yield from whatsapp_secrets(drawn)


# Public prefixes of tokens; what follows is drawn, and of the form, not of the kind that a scanner would report.
PREFIXES = (
    ("gl" + "pat-", string.ascii_letters + string.digits, 20),
    ("gh" + "p_", string.ascii_letters + string.digits, 36),
    ("sk" + "_live_", string.ascii_letters + string.digits, 24),
    ("xo" + "xb-", string.digits, 24),
    ("AK" + "IA", string.ascii_uppercase + "234567", 16),
    ("AI" + "za", string.ascii_letters + string.digits, 35),
    ("EA" + "AG", string.ascii_letters + string.digits, 40),
    ("np" + "m_", string.ascii_letters + string.digits, 36),
)


def whatsapp_secrets(drawn: random.Random) -> Iterator[Record]:
    for _ in range(20):
        key = base64.b64encode(drawn.randbytes(33)).decode()
        more = base64.b64encode(drawn.randbytes(24)).decode()
        yield Record("secret/pairing", "P", f"qr=2@{key},{more},{more},{key}", (more[4:20], key[4:20]))
        yield Record("secret/pairing alone", "P", f"scan 2@{key},{more},{more} now", (more[4:20], key[4:20]))
        creds = {
            "noiseKey": {"private": {"type": "Buffer", "data": key}},
            "advSecretKey": more,
            "pairingCode": "K7TQ9XWZ",
        }
        yield Record(
            "secret/session", "P", f"saved {json.dumps({'creds': creds})}", (key[4:20], more[4:20], "K7TQ9XWZ")
        )
        session = {
            "currentRatchet": {"rootKey": key, "ephemeralKeyPair": {"privKey": more}},
            "_chains": {"chainKey": {"key": more}},
        }
        yield Record("secret/session, repr", "P", f"SessionEntry {session!r}", (key[4:20], more[4:20]))
        buffer = " ".join(f"{byte:02x}" for byte in drawn.randbytes(33))
        yield Record("secret/buffer", "P", f"privKey: <Buffer {buffer}>, pubKey: <Buffer {buffer}>", (buffer[9:40],))
    yield Record("secret/QR picture", "P", "\n".join(["█▀▀▀▀▀█ ▄▀█ ▄ █▀▀▀▀▀█"] * 12), ("█▀▀▀▀▀█",))


# -- papers -----------------------------------------------------------------------------------------------------------


def documents() -> Iterator[Record]:
    drawn = random.Random("documents")
    for _ in range(60):
        cpf = with_cpf(text_of(drawn, string.digits, 9))
        for form in (
            f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}",
            cpf,
            f"{cpf[:3]} {cpf[3:6]} {cpf[6:9]} {cpf[9:]}",
            f"{cpf[:9]}-{cpf[9:]}",
            f"{cpf[:3]}-{cpf[3:6]}-{cpf[6:9]}-{cpf[9:]}",
        ):
            yield Record("document/CPF", "D", f"cadastro {form} ativo", (cpf,))
        cnpj = with_cnpj(text_of(drawn, string.digits, 12))
        lettered = with_cnpj(text_of(drawn, string.digits + string.ascii_uppercase, 12))
        for code in (cnpj, lettered, lettered.lower()):
            for form in (
                f"{code[:2]}.{code[2:5]}.{code[5:8]}/{code[8:12]}-{code[12:]}",
                code,
                f"{code[:8]}/{code[8:12]}-{code[12:]}",
            ):
                yield Record("document/CNPJ", "D", f"empresa {form} ativa", (code,))
        card = with_luhn(
            drawn.choice(("4", "51", "55", "2221", "34", "37", "6011", "6062", "6362", "6267", "6053", "5067")), drawn
        )
        for form in (
            card,
            f"{card[:4]} {card[4:8]} {card[8:12]} {card[12:]}",
            f"{card[:4]}-{card[4:8]}-{card[8:12]}-{card[12:]}",
        ):
            yield Record("card", "D", f"cartao {form} recusado", (card,))
        pix = str(uuid.UUID(int=drawn.getrandbits(128), version=4))
        yield Record("document/PIX", "P", json.dumps({"chavePix": pix}), (pix,))
        yield Record(
            "document/PIX",
            "P",
            f"00020126580014br.gov.bcb.pix0136{pix}5204000053039865802BR5913OFELIA Q6008CAMPINAS62070503***6304ABCD",
            (pix,),
        )
        yield Record(
            "document/CEP", "P", json.dumps({"cep": "13075-460", "rg": "12.345.678-9"}), ("13075-460", "12.345.678-9")
        )
        for mail in (
            "ofelia@exemplo.com.br",
            "ofelia.q+x@mail.example",
            "ofelia#1@example.com",
            "ofelia*x@example.com",
            "ofelia@example.c",
        ):
            yield Record("email", "D", f"mail de {mail} {drawn.randrange(9)}", ("ofelia",))


def with_cpf(digits: str) -> str:
    for _ in range(2):
        total = sum(int(d) * w for d, w in zip(digits, range(len(digits) + 1, 1, -1), strict=True))
        digits += str(total * 10 % 11 % 10)
    return digits


def with_cnpj(code: str) -> str:
    for _ in range(2):
        weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)[-len(code) :]
        rest = sum((ord(c) - 48) * w for c, w in zip(code, weights, strict=True)) % 11
        code += str(0 if rest < 2 else 11 - rest)
    return code


def with_luhn(prefix: str, drawn: random.Random) -> str:
    size = 15 if prefix in {"34", "37"} else 16
    body = prefix + text_of(drawn, string.digits, size - 1 - len(prefix))
    total = sum(sum(divmod(int(d) * (2 - at % 2), 10)) for at, d in enumerate(reversed(body)))
    return body + str(-total % 10)


# -- errors of libraries ----------------------------------------------------------------------------------------------

ERRORS = (
    "DETAIL:  Key (name)=(Ofelia Quintanilha) already exists.",
    "DETAIL:  Key (lower(name))=(ofelia quintanilha) already exists.",
    "DETAIL:  Chave (nome)=(Ofelia Quintanilha) já existe.",
    "DETAIL:  Chave (lower(nome), loja)=(ofelia quintanilha, 2) já existe.",
    "DETAIL:  Registro que falhou contém (7, Ofelia Quintanilha, null).",
    "DETAIL:  Failing row contains (7, Ofelia Quintanilha, null).",
    'ERROR:  invalid input syntax for type integer: "Ofelia Quintanilha"',
    'ERRO:  sintaxe de entrada é inválida para tipo integer: "Ofelia Quintanilha"',
    "(1062, \"Duplicate entry 'Ofelia Quintanilha' for key 'contacts.name'\")",
    "(1366, \"Incorrect integer value: 'Ofelia Quintanilha' for column 'age' at row 1\")",
    "Violation of UNIQUE KEY constraint 'UQ_c'. The duplicate key value is (Ofelia Quintanilha).",
    "Conversion failed when converting the varchar value 'Ofelia Quintanilha' to data type int.",
    'E11000 duplicate key error collection: shop.c index: name_1 dup key: { name: "Ofelia Quintanilha" }',
    "[SQL: SELECT 'Ofelia Quintanilha' FROM c]\n[parameters: ('Ofelia Quintanilha',)]",
    (
        "1 validation error for Message\ntext\n  Input should be an integer"
        " [type=int_parsing, input_value='Ofelia Quintanilha', input_type=str]"
    ),
    (
        "1 validation error for Message\nobj\n  Input should be an integer"
        " [type=int_type, input_value={'a': 'Ofelia Quintanilha'}, input_type=dict]"
    ),
    "[{'type': 'int_parsing', 'loc': ('a',), 'msg': 'no integer', 'input': {'a': 'Ofelia Quintanilha'}}]",
    '[{"type":"int_parsing","loc":["a"],"msg":"Input should be a valid integer","input":{"a":"Ofelia Quintanilha"}}]',
)
VCARD = (
    "BEGIN:VCARD\nVERSION:3.0\nN:Quintanilha;Ofelia;;;\nFN:Ofelia Quintanilha\nORG:Padaria Girassol;\n"
    "TEL;type=CELL;waid=5521976543210:+55 21 97654-3210\nADR;type=HOME:;;Rua das Camelias 12;Campinas\nEND:VCARD"
)


def errors() -> Iterator[Record]:
    for error in ERRORS:
        for before in ("", "insert failed: ", "(psycopg.errors.UniqueViolation) "):
            yield Record(
                "errors of libraries",
                "P",
                before + error,
                ("Ofelia", "Quintanilha") if "lower" not in error else ("ofelia",),
            )
    for given in (
        VCARD,
        f"got {VCARD} ok",
        f"vcard={VCARD}",
        json.dumps({"x": VCARD}),
        repr({"x": [VCARD]}),
        VCARD.replace("\n", "\r\n"),
    ):
        yield Record("vCard", "P", given, ("Ofelia", "Quintanilha", "Camelias"))
    part = (
        '--b7\r\nContent-Disposition: form-data; name="text"\r\n\r\noi, Ofelia Quintanilha\r\n'
        '--b7\r\nContent-Disposition: form-data; name="file"; filename="laudo_ofelia.pdf"\r\n\r\nxx\r\n--b7--'
    )
    yield Record("multipart", "P", part, ("Ofelia", "Quintanilha", "laudo_ofelia"))


# -- WhatsApp's payloads ----------------------------------------------------------------------------------------------


def meta(message: dict[str, Any], drawn: random.Random) -> dict[str, Any]:
    value = {
        "messaging_product": "whatsapp",
        "contacts": [{"profile": {"name": "Ofelia Quintanilha"}, "wa_id": MOBILE}],
        "messages": [{"from": MOBILE, "id": cloud_id(MOBILE, drawn), "timestamp": "1764000000", **message}],
    }
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"value": value}]}]}


def payloads() -> dict[str, tuple[Any, tuple[str, ...]]]:
    drawn = random.Random("payloads")
    who = ("Ofelia", "Quintanilha", MOBILE)
    place = ("Camelias", "-22.812345", "Ofelia")
    spot = {"latitude": -22.812345, "longitude": -47.123456, "name": "Casa da Ofelia", "address": "Rua das Camelias"}
    picture = base64.b64encode(drawn.randbytes(90)).decode()
    key = base64.b64encode(drawn.randbytes(32)).decode()
    evolution: Callable[[dict[str, Any]], dict[str, Any]] = lambda message: {  # noqa: E731 - a shape
        "event": "messages.upsert",
        "data": {
            "key": {"remoteJid": f"{MOBILE}@s.whatsapp.net", "id": "3EB0AA"},
            "pushName": "Ofelia Quintanilha",
            "message": message,
        },
    }
    return {
        "meta/text": (
            meta({"type": "text", "text": {"body": 'quero "Loratadina"\nhoje'}}, drawn),
            (*who, "Loratadina", "hoje"),
        ),
        "meta/button": (
            meta(
                {
                    "type": "interactive",
                    "interactive": {"type": "button_reply", "button_reply": {"id": "b1", "title": "Cancelar biopsia"}},
                },
                drawn,
            ),
            (*who, "biopsia"),
        ),
        "meta/quick reply": (
            meta({"type": "button", "button": {"text": "Cancelar biopsia", "payload": "quero-biopsia"}}, drawn),
            (*who, "biopsia"),
        ),
        "meta/list": (
            meta(
                {
                    "interactive": {
                        "list_reply": {"id": "r1", "title": "Consulta biopsia", "description": "Dra. Genoveva"}
                    }
                },
                drawn,
            ),
            (*who, "biopsia", "Genoveva"),
        ),
        "meta/flow": (
            meta(
                {
                    "interactive": {
                        "nfm_reply": {
                            "name": "flow",
                            "body": "Sent",
                            "response_json": json.dumps({"cor": "moro com Genoveva"}),
                        }
                    }
                },
                drawn,
            ),
            (*who, "Genoveva"),
        ),
        "meta/location": (meta({"type": "location", "location": spot}, drawn), (*who, *place)),
        "meta/contacts": (
            meta(
                {
                    "contacts": [
                        {
                            "name": {"formatted_name": "Genoveva Braga", "first_name": "Genoveva"},
                            "addresses": [{"street": "Rua das Camelias", "city": "Vinhedo", "zip": "13280"}],
                            "org": {"company": "Padaria Girassol"},
                            "phones": [{"phone": "+55 85 96543-2109"}],
                        }
                    ]
                },
                drawn,
            ),
            (*who, "Genoveva", "Camelias", "Vinhedo", "Girassol"),
        ),
        "meta/document": (
            meta({"document": {"caption": "segue biopsia", "filename": "laudo_ofelia.pdf", "id": "14"}}, drawn),
            (*who, "biopsia", "laudo_ofelia"),
        ),
        "meta/reaction": (
            meta({"type": "reaction", "reaction": {"message_id": cloud_id(OTHER, drawn), "emoji": "x"}}, drawn),
            who,
        ),
        "meta/order": (
            meta(
                {
                    "order": {
                        "text": "entregar para Genoveva",
                        "product_items": [{"product_retailer_id": "x", "item_price": 3}],
                    }
                },
                drawn,
            ),
            (*who, "Genoveva"),
        ),
        "meta/send list": (
            {
                "to": MOBILE,
                "interactive": {
                    "header": {"type": "text", "text": "Agenda da biopsia"},
                    "body": {"text": "escolha o horario"},
                    "footer": {"text": "Clinica Girassol"},
                    "action": {
                        "button": "Ver vagas",
                        "sections": [
                            {
                                "title": "Tarde livre",
                                "rows": [{"id": "r1", "title": "Dra Genoveva", "description": "sexta cedo"}],
                            }
                        ],
                    },
                },
            },
            (MOBILE, "biopsia", "Girassol", "Genoveva", "livre", "sexta"),
        ),
        "meta/send template": (
            {
                "to": MOBILE,
                "template": {
                    "name": "cobranca",
                    "language": {"code": "pt_BR"},
                    "components": [
                        {"type": "body", "parameters": [{"type": "text", "text": "Ofelia Quintanilha"}]},
                        {
                            "type": "button",
                            "index": "0",
                            "parameters": [{"type": "payload", "payload": "segredo-da-ofelia"}],
                        },
                    ],
                },
            },
            ("Quintanilha", "segredo-da-ofelia"),
        ),
        "evolution/text": (evolution({"conversation": "quero Loratadina"}), (*who, "Loratadina")),
        "evolution/extended": (
            evolution(
                {
                    "extendedTextMessage": {
                        "text": "oi Genoveva",
                        "matchedText": "https://x.example/?u=Genoveva",
                        "title": "Loja da Genoveva",
                        "description": "frete da Genoveva",
                        "jpegThumbnail": picture,
                        "contextInfo": {"quotedMessage": {"conversation": "citado Amadeu"}},
                    }
                }
            ),
            (*who, "Genoveva", "Amadeu", picture[20:40]),
        ),
        "evolution/image": (
            evolution(
                {
                    "imageMessage": {
                        "url": "https://m.example/x.enc",
                        "mimetype": "image/jpeg",
                        "caption": "foto da biopsia",
                        "mediaKey": key,
                        "jpegThumbnail": picture,
                    }
                }
            ),
            (*who, "biopsia", key[4:20], picture[20:40]),
        ),
        "evolution/list": (
            evolution(
                {
                    "listResponseMessage": {
                        "title": "Consulta biopsia",
                        "listType": "SINGLE_SELECT",
                        "singleSelectReply": {"selectedRowId": "r3"},
                        "description": "Dra. Genoveva",
                    }
                }
            ),
            (*who, "biopsia", "Genoveva"),
        ),
        "evolution/location": (
            evolution(
                {
                    "locationMessage": {
                        "degreesLatitude": -22.812345,
                        "degreesLongitude": -47.1,
                        "name": "Casa da Ofelia",
                        "address": "Rua das Camelias",
                    }
                }
            ),
            (*who, *place),
        ),
        "evolution/poll": (
            evolution(
                {
                    "pollCreationMessage": {
                        "name": "Quem vota na Genoveva?",
                        "options": [{"optionName": "Sim Genoveva"}, {"optionName": "Nunca Amadeu"}],
                    },
                    "messageContextInfo": {"messageSecret": key},
                }
            ),
            (*who, "Genoveva", "Amadeu", key[4:20]),
        ),
        "evolution/contact": (
            evolution({"contactMessage": {"displayName": "Genoveva Braga", "vcard": VCARD}}),
            (*who, "Genoveva", "Camelias"),
        ),
        "evolution/group": (
            {
                "event": "groups.upsert",
                "data": [
                    {
                        "id": "120363041234567891@g.us",
                        "subject": "Familia Quintanilha",
                        "subjectOwner": f"{MOBILE}@s.whatsapp.net",
                        "desc": "grupo da Genoveva",
                    }
                ],
            },
            ("Quintanilha", "Genoveva", MOBILE),
        ),
        "evolution/base64": (evolution({"base64": picture}), (*who, picture[20:40])),
        "baileys/template": (
            {
                "message": {
                    "templateMessage": {
                        "hydratedTemplate": {
                            "hydratedTitleText": "Agenda da biopsia",
                            "hydratedContentText": "Consulta da Ofelia",
                            "hydratedFooterText": "Clinica Girassol",
                            "hydratedButtons": [{"quickReplyButton": {"displayText": "Cancelar biopsia", "id": "1"}}],
                        }
                    }
                }
            },
            ("biopsia", "Ofelia", "Girassol"),
        ),
        "baileys/verified": (
            {
                "key": {"remoteJid": "216543210987654@lid", "senderPn": f"{MOBILE}@s.whatsapp.net"},
                "verifiedBizName": "Padaria Girassol",
                "pushName": "Ofelia Quintanilha",
                "message": {
                    "buttonsResponseMessage": {"selectedButtonId": "b1", "selectedDisplayText": "Cancelar biopsia"}
                },
            },
            (*who, "Girassol", "biopsia", "216543210987654"),
        ),
        "waha/message": (
            {
                "event": "message",
                "payload": {
                    "id": f"false_{MOBILE}@c.us_3EB0",
                    "from": f"{MOBILE}@c.us",
                    "body": "quero Loratadina",
                    "_data": {"notifyName": "Ofelia Quintanilha"},
                },
            },
            (*who, "Loratadina"),
        ),
        "waha/poll": (
            {
                "event": "poll.vote",
                "payload": {
                    "vote": {"selectedOptions": ["Sim Genoveva", "Nunca Amadeu"], "from": f"{MOBILE}@c.us"},
                    "poll": {"id": "x"},
                },
            },
            (MOBILE, "Genoveva", "Amadeu"),
        ),
        "waha/location": (
            {
                "payload": {
                    "location": {
                        "latitude": "-22.812345",
                        "longitude": "-47.1",
                        "description": "Casa da Ofelia\nVinhedo",
                    },
                    "vCards": [VCARD],
                }
            },
            ("Vinhedo", "-22.812345", "Ofelia", "Camelias"),
        ),
        "wppconnect/message": (
            {
                "id": f"false_{MOBILE}@c.us_3EB0",
                "body": "quero Loratadina",
                "type": "chat",
                "sender": {
                    "id": f"{MOBILE}@c.us",
                    "name": "Ofelia Quintanilha",
                    "pushname": "Ofelia",
                    "shortName": "Ofelia",
                    "formattedName": "Ofelia Quintanilha",
                },
                "chat": {"contact": {"formattedName": "Ofelia Quintanilha"}},
                "mediaKey": key,
            },
            (*who, "Loratadina", key[4:20]),
        ),
        "zapi/text": (
            {
                "chatLid": "216543210987654@lid",
                "connectedPhone": OTHER,
                "momment": 1764000000000,
                "phone": MOBILE,
                "chatName": "Ofelia Quintanilha",
                "senderName": "Ofelia",
                "senderPhoto": f"https://p.example/{MOBILE}",
                "text": {"message": 'quero "Loratadina"\nhoje'},
            },
            (*who, "Loratadina", OTHER, "hoje"),
        ),
        "zapi/buttons": (
            {
                "phone": MOBILE,
                "buttonsResponseMessage": {"buttonId": "1", "message": "Cancelar biopsia"},
                "listResponseMessage": {"message": "Consulta biopsia", "title": "Dra Genoveva", "selectedRowId": "1"},
            },
            (MOBILE, "biopsia", "Genoveva"),
        ),
        "zapi/location": (
            {
                "phone": MOBILE,
                "location": {"longitude": -47.1, "latitude": -22.812345, "address": "Rua das Camelias", "url": ""},
            },
            (MOBILE, "Camelias", "-22.812345"),
        ),
        "zapi/contact": (
            {"phone": MOBILE, "contact": {"displayName": "Genoveva Braga", "vCard": VCARD, "phones": [OTHER]}},
            (MOBILE, "Genoveva", "Camelias", OTHER),
        ),
        "twilio/text": (
            {
                "SmsMessageSid": "SMx",
                "Body": "quero Loratadina",
                "From": f"whatsapp:+{MOBILE}",
                "ProfileName": "Ofelia Quintanilha",
                "WaId": MOBILE,
            },
            (*who, "Loratadina"),
        ),
        "twilio/location": (
            {
                "Latitude": "-22.812345",
                "Longitude": "-47.1",
                "Address": "Rua das Camelias",
                "Label": "Casa da Ofelia",
                "ButtonText": "Cancelar biopsia",
                "ButtonPayload": "x",
            },
            ("Camelias", "-22.812345", "Ofelia", "biopsia"),
        ),
        "app/Portuguese": (
            {
                "nomeCliente": "Ofelia Quintanilha",
                "telefoneCliente": MOBILE,
                "conteudo": "quero Loratadina",
                "resposta": "sim Loratadina",
                "observacao": "mora com Genoveva",
                "endereco": "Rua das Camelias",
                "bairro": "Vinhedo",
                "apelido": "Lelinha",
                "mensagem": "biopsia",
                "chavePix": str(uuid.UUID(int=drawn.getrandbits(128), version=4)),
            },
            (*who, "Loratadina", "Genoveva", "Camelias", "Vinhedo", "Lelinha", "biopsia"),
        ),
    }


def written(payload: Any) -> Iterator[tuple[str, object]]:
    yield "JSON", f"webhook received {json.dumps(payload)}"
    yield "JSON, indented", f"webhook received\n{json.dumps(payload, indent=2)}"
    yield "JSON in JSON", json.dumps({"raw": json.dumps(payload)})
    yield "repr", f"webhook received {payload!r}"
    yield "pprint", pprint.pformat(payload)
    yield "exception", f"ValueError: cannot handle payload: {payload!r}"
    yield "structured", {"payload": payload}
    if all(isinstance(value, str) for value in payload.values()):
        yield "form", urlencode(payload)


def whatsapp() -> Iterator[Record]:
    for name, (payload, secrets_of) in payloads().items():
        for writing, given in written(payload):
            yield Record(f"payload/{writing}", "P", given, secrets_of)
            if writing != "structured":
                yield Record(f"payload/{writing}, named", "P", {"payload": given, "name": name}, secrets_of)
    drawn = random.Random("ids")
    for phone in (MOBILE, OTHER, "351912345670"):
        for kind in ("wamid", "wacid"):
            for form in ("{}", "sent {} ok", '{{"id": "{}"}}', "/messages/{}?x=1"):
                message_id = cloud_id(phone, drawn, kind)
                yield Record("Cloud API id", "P", form.format(message_id), (message_id[6:40],))
                yield Record("Cloud API id", "P", form.format(quote(message_id, safe="")), (message_id[6:40],))


def records() -> list[Record]:
    """Everything of which something must not leave."""
    return [*phones(), *keyed(), *secrets(), *documents(), *errors(), *whatsapp()]


# -- what stays -------------------------------------------------------------------------------------------------------

CONTEXTS = ("{}", "queued {} ok", "id={}", '{{"id": "{}", "n": 2}}', "GET /x/{}/y 200", "evt:{}:retry")


def moment(drawn: random.Random) -> datetime:
    return START + timedelta(seconds=drawn.random() * 3 * 365 * 86_400)


IDS: dict[str, Callable[[random.Random], str]] = {
    "UUID 1": lambda drawn: str(uuid.UUID(int=drawn.getrandbits(128), version=1)),
    "UUID 4": lambda drawn: str(uuid.UUID(int=drawn.getrandbits(128), version=4)),
    "UUID 7": lambda drawn: str(
        uuid.UUID(
            int=(int(moment(drawn).timestamp() * 1000) << 80) | 0x7000_8000_0000_0000_0000 | drawn.getrandbits(62)
        )
    ),
    "UUID in capitals": lambda drawn: str(uuid.UUID(int=drawn.getrandbits(128), version=4)).upper(),
    "ULID": lambda drawn: "01" + text_of(drawn, CROCKFORD, 24),
    "trace id": lambda drawn: text_of(drawn, HEX, 32),
    "span id": lambda drawn: text_of(drawn, HEX, 16),
    "traceparent": lambda drawn: f"00-{text_of(drawn, HEX, 32)}-{text_of(drawn, HEX, 16)}-01",
    "message id": lambda drawn: "3EB0" + text_of(drawn, HEX.upper(), 18),
    "queue id": lambda drawn: f"msg_{int(moment(drawn).timestamp() * 1000)}_{text_of(drawn, BASE36, 9)}",
    "group": lambda drawn: f"1203630{text_of(drawn, string.digits, 11)}@g.us",
    "digest": lambda drawn: text_of(drawn, HEX, 64),
}
FIGURES: dict[str, Callable[[random.Random], str]] = {
    "YYYYMMDDHHMM": lambda drawn: f"{moment(drawn):%Y%m%d%H%M}",
    "YYYYMMDDHHMMSS": lambda drawn: f"{moment(drawn):%Y%m%d%H%M%S}",
    "DDMMYYYYHHMMSS": lambda drawn: f"{moment(drawn):%d%m%Y%H%M%S}",
    "epoch ms": lambda drawn: str(int(moment(drawn).timestamp() * 1000)),
    "epoch us": lambda drawn: str(int(moment(drawn).timestamp() * 1_000_000)),
    "ISO time": lambda drawn: moment(drawn).isoformat(),
    "ARN": lambda drawn: f"arn:aws:sqs:sa-east-1:{drawn.randrange(10**11, 10**12)}:fila",
    "price": lambda drawn: f"R$ {drawn.random() * 1e6:,.2f}",
    "IP address": lambda drawn: ".".join(str(drawn.randrange(256)) for _ in range(4)),
    "version": lambda drawn: f"{drawn.randrange(30)}.{drawn.randrange(300)}.{drawn.randrange(3000)}",
}
KEYED_IDS = (
    "order_id",
    "media_id",
    "phone_number_id",
    "orderId",
    "template_id",
    "waba_id",
    "business_id",
    "invoice_id",
)
LINES = (
    "thread name=worker-1",
    "host name=ip-10-0-0-1",
    "queue name=outbound",
    "span name=POST /webhook",
    "prompt=yes",
    "auth=oauth2",
    "job name=nightly",
    "state changed from closed to half-open",
    "message: queue is full",
    "text/html; charset=utf-8",
    "from=closed to=open",
    "file name=queue.py line=12",
    "token expired",
    "password is never logged",
    "[INFO] connected to 10.0.0.1:54321 after 12.5 ms",
    "title: none",
    "status=sent to=provider",
    "{'state': 'open', 'kind': 'image', 'attempt': 3}",
    '{"level": "info", "route": "/api/send", "status": 200}',
    "f(x, y)[0] = {'a': [1, 2, 3]}",
    'rows=[{"id": 1, "status": "queued"}]',
)
ATTRIBUTES: tuple[tuple[str, object], ...] = (
    ("participant", "admin"),
    ("to", "sent"),
    ("from", "queued"),
    ("state.to", "open"),
    ("state.from", "closed"),
    ("job.name", "nightly"),
    ("queue.name", "outbound"),
    ("task.name", "send"),
    ("thread.name", "MainThread"),
    ("host.name", "web-1"),
    ("service.name", "whatsself"),
    ("message_status", "delivered"),
    ("message_type", "image"),
    ("message_count", 12),
    ("content_type", "application/json"),
    ("content-length", 1234),
    ("http.request.method", "POST"),
    ("exception.message", "queue is full"),
    ("phone_number_id", "106540352242922"),
    ("phone_number_id", 106540352242922),
    ("order_id", 393857082423),
    ("location", "/api/send"),
    ("template.name", "cobranca"),
    ("flow.name", "boas-vindas"),
    ("event.name", "connected"),
    ("db.name", "shop"),
    ("token_count", 120),
    ("title_length", 12),
    ("latency", 12.5),
    ("rows", 3),
    ("options", ["a", "b"]),
    ("payload.size", 120),
)


def kept() -> list[Keep]:
    """Everything that must stay as it is."""
    found = []
    for kinds, correlates in ((IDS, True), (FIGURES, False)):
        for name, make in kinds.items():
            drawn = random.Random(f"{name} stays")
            found += [Keep(name, None, CONTEXTS[at % 6].format(make(drawn)), correlates) for at in range(120)]
    drawn = random.Random("keyed ids")
    for at in range(240):
        key, value = KEYED_IDS[at % len(KEYED_IDS)], str(drawn.randrange(10**11, 10**15))
        found += [
            Keep("keyed id", None, f"queued {key}={value} ok"),
            Keep("keyed id", key, value),
            Keep("keyed id", None, json.dumps({key: value})),
        ]
    found += [
        Keep("line", None, f"{before}{line}") for line in LINES for before in ("", "2026-11-23 12:00:00,123 INFO ")
    ]
    found += [Keep("attribute", key, value) for key, value in ATTRIBUTES]
    return found
