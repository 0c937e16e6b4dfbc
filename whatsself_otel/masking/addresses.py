"""Addresses in a text: WhatsApp's, of mail, and the credentials in a URL."""

from __future__ import annotations

import re
from typing import Final

from whatsself_otel.masking import phones
from whatsself_otel.masking.reading import Finding, Reading

# Every character that RFC 5322 allows, but for those that end a value in data.
_REVERSED_LOCAL: Final = re.compile(r"(?:[\w.%+#*!$^~-]|'(?=\w)){1,64}")
_DOMAIN: Final = re.compile(r"[^\W_](?:[^\W_]|-){0,62}(?:\.[^\W_](?:[^\W_]|-){0,62}){0,8}")
_TOP_LEVEL: Final = re.compile(r"(?:[^\W\d_]{1,24}|xn--[a-z0-9-]{2,59})$", re.IGNORECASE)
JID_DOMAINS: Final = frozenset(
    {"s.whatsapp.net", "c.us", "g.us", "lid", "broadcast", "newsletter", "hosted", "hosted.lid", "call", "bot", "msgr"}
)
_PHONE_DOMAINS: Final = frozenset({"s.whatsapp.net", "c.us", "hosted"})
_JID_USER: Final = re.compile(r"([0-9]{3,24})(-[0-9]{4,16})?((?:[._][0-9]{1,3})?(?::[0-9]{1,4})?)$")
_GROUP_DIGITS: Final = 17
"""A group's own id has eighteen digits and holds no phone; one made before 2021 is its maker's phone and a time."""
_PSEUDONYM_BEFORE: Final = re.compile(r"p_[0-9a-f]{24}-$")
"""What masking leaves before the time of an old group."""
_DEVICE: Final = re.compile(r"(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?")
_WORD_BEFORE: Final = re.compile(r"(?:lid:)?[A-Za-z0-9.:-]{1,64}$")
_PAIRING: Final = re.compile(r"[A-Za-z0-9+/=]{16,512}(?:,[A-Za-z0-9+/=]{4,512}){1,6}")
_AUTHORITY: Final = re.compile(r"://(?!REDACTED:REDACTED@)([^\s/?\#\"'<>]{0,256})@")
_LOOSE_AUTHORITY: Final = re.compile(
    r"://(?!REDACTED:REDACTED@)([^\s\"'<>:@/]{0,128}:[^\s\"'<>]{0,256}|[^\s/?\#\"'<>]{0,256})@"
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}$")
_WEB_SCHEMES: Final = ("http", "https", "ws", "wss", "ftp")


def read_address(reading: Reading, at: int) -> Finding | None:
    """Return the finding around the ``@`` at *at*: a WhatsApp address, a mail address or a pairing string."""
    text = reading.text
    is_known = at == reading.done and reading.findings and reading.findings[-1].rule == "jid"
    domain = None if is_known else _DOMAIN.match(text, at + 1)
    if domain is None:
        return None
    host = domain[0].lower()
    if host in JID_DOMAINS:
        return _jid(reading, at, host)
    if text[at - 1 : at].isdigit() and (pairing := _PAIRING.match(text, at + 1)) is not None:
        return Finding(at - 1, pairing.end(), "qr")
    if "." not in host or not (host[-2:].isalpha() or _TOP_LEVEL.search(host)):
        return None
    local = _REVERSED_LOCAL.match(text[max(reading.done, at - 64) : at][::-1])
    if local is None or text.endswith("REDACTED", 0, at):
        return None
    return Finding(at - local.end(), domain.end(), "email")


def _jid(reading: Reading, at: int, host: str) -> Finding | None:
    text = reading.text
    low = max(reading.done, at - 48)
    user = _JID_USER.search(text, low, at)
    if user is None:
        if low == reading.done and _DEVICE.fullmatch(text, low, at):
            return None
        word = _WORD_BEFORE.search(text, low, at)
        if word is None or word[0] in {"status", "p"} or text[word.start() - 1 : word.start()] in {"*", "_"}:
            return None
        return Finding(word.start(), at, "jid")
    if text[user.start() - 1 : user.start()] in {"*", "]"} or _PSEUDONYM_BEFORE.search(text, low, user.start()):
        return None
    if host == "g.us" and not user[2] and len(user[1]) >= _GROUP_DIGITS:
        return None
    is_phone = host in _PHONE_DOMAINS or user[2] is not None
    country = phones.international(user[1]) or (phones.calling_code(user[1]) if is_phone else "")
    kept = (user[2] or "") + user[3]
    return Finding(user.start(), at, "jid", user[1], country if is_phone else "", kept=kept)


def read_authority(reading: Reading, at: int) -> Finding | None:
    """Return the user and password of the URL whose ``://`` stands at *at*."""
    scheme = _SCHEME.search(reading.text[max(0, at - 32) : at])
    web = scheme is None or scheme[0].lower() in _WEB_SCHEMES
    found = (_AUTHORITY if web else _LOOSE_AUTHORITY).match(reading.text, at)
    return None if found is None or not found[1] else Finding(found.start(1), found.end(1), "credentials")
