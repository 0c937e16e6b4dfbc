"""
AWS's side of a signed request: computes the signature again and compares.

From https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/"
    r"(?P<scope>\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request), "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def complaint(path: str, headers: Mapping[str, str], body: bytes, keys: Mapping[str, str], service: str) -> str | None:
    """
    Return the problem with a POST request's signature, or None.

    Args:
        path: Path of the request, without a query.
        headers: Its headers, names in lower case.
        body: Its body as it came.
        keys: Region, key identifier and secret, by AWS's names of variables.
        service: The service that it must be signed for.
    """
    stated = _STATED.fullmatch(headers.get("authorization", ""))
    if stated is None:
        return "it is not signed"
    if stated["key"] != keys["AWS_ACCESS_KEY_ID"]:
        return f"it is signed by {stated['key']}"
    if stated["region"] != keys["AWS_REGION"]:
        return f"it is signed for {stated['region']}"
    if stated["service"] != service:
        return f"it is signed for {stated['service']}"
    names = stated["names"].split(";")
    canonical = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
    request = "\n".join(["POST", path, "", canonical, stated["names"], hashlib.sha256(body).hexdigest()])
    hashed = hashlib.sha256(request.encode()).hexdigest()
    signed = "\n".join(["AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), stated["scope"], hashed])
    key = f"AWS4{keys['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in stated["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    right = hmac.new(key, signed.encode(), "sha256").hexdigest()
    return None if right == stated["signature"] else "its signature is wrong"
