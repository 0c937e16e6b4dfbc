"""Certificates for tests of TLS: a good one, an expired one, one for another host, one of another authority."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


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
    _sign(made, "localhost", "localhost", days=2)
    _sign(made, "elsewhere", "other.invalid", days=2)
    _sign(made, "expired", "localhost", days=-1)
    _openssl(folder, *_self_signed("stranger", "localhost"), "-addext", "subjectAltName=DNS:localhost")
    return made


def _self_signed(name: str, subject: str) -> list[str]:
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    return ["req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, "-days", "2", "-subj", f"/CN={subject}"]


def _sign(made: Certificates, name: str, host: str, *, days: int) -> None:
    request = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}"]
    _openssl(made.folder, "req", *request)
    (made.folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\nauthorityKeyIdentifier=keyid\n")
    _openssl(
        made.folder,
        *["x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"],
        *["-out", f"{name}.pem", "-days", str(days), "-extfile", f"{name}.ext"],
    )


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
