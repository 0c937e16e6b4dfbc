"""Certificates for tests of TLS: a good one, an expired one, one for another host, one of another authority."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# `openssl x509` takes no date in the past from OpenSSL 3.5 on; `openssl ca` does, in every version.
_AUTHORITY: Final = """\
[ca]
default_ca = test
[test]
database = issued.txt
new_certs_dir = .
serial = serial.txt
unique_subject = no
default_md = sha256
default_days = 2
policy = any
[any]
commonName = supplied
"""


@dataclass(frozen=True)
class Certificates:
    """
    A folder of PEM files.

    Args:
        folder: Where they lie.
    """

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and, signed by it, ``localhost``, ``expired`` and ``elsewhere``; ``stranger`` signs itself."""
    made = Certificates(folder)
    # Python 3.13 and newer take no authority that does not say what its key is for.
    _openssl(folder, *_self_signed("authority", "Test authority"), "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    (folder / "issued.txt").touch()
    (folder / "authority.cnf").write_text(_AUTHORITY)
    _sign(made, "localhost", "localhost")
    _sign(made, "elsewhere", "other.invalid")
    _sign(made, "expired", "localhost", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
    _openssl(folder, *_self_signed("stranger", "localhost"), "-addext", "subjectAltName=DNS:localhost")
    return made


def _self_signed(name: str, subject: str) -> list[str]:
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    return ["req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, "-days", "2", "-subj", f"/CN={subject}"]


def _sign(made: Certificates, name: str, host: str, *dates: str) -> None:
    request = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}"]
    _openssl(made.folder, "req", *request)
    (made.folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\nauthorityKeyIdentifier=keyid\n")
    signer = ["-config", "authority.cnf", "-cert", "authority.pem", "-keyfile", "authority.key", "-create_serial"]
    files = ["-extfile", f"{name}.ext", "-in", f"{name}.csr", "-out", f"{name}.pem"]
    _openssl(made.folder, "ca", "-batch", "-notext", *signer, *files, *dates)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
