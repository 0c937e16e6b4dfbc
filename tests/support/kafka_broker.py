"""A real Apache Kafka broker on the loopback: its program from Maven Central, one node, KRaft."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from binaries import free_ports

from whatsself_otel.stack.paths import cache_dir, locked

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "4.1.0"
PARTITIONS = 6
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>whatsself</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
num.partitions={partitions}
"""
_SECURE = """\
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SASL_SSL://localhost:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://localhost:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/keystore.pem
"""
"""A second listener with TLS and a login; the broker itself uses the plain one."""
USER, PASSWORD = "whatsself", "a-password-of-tests"
"""Users of the secure listener."""


def jars() -> Path:
    """Return the folder of Kafka's jars, fetched once into the cache; skip the test, with the reason, without them."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"a real Kafka needs {program}: apt-get install openjdk-17-jre-headless maven")
    home = Path(cache_dir()) / "kafka"
    with locked(home / ".lock", wait=lambda: None):
        if not (folder := home / VERSION).is_dir():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        pom, copied = Path(temporary, "pom.xml"), Path(temporary, "jars")
        pom.write_text(_POM, "utf-8")
        command = ["mvn", "-q", "-B", f"-Dmaven.repo.local={temporary}/repository", "-f", str(pom), _COPY]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={copied}", "-DincludeScope=runtime"],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"Kafka {VERSION} could not be had from Maven Central: {(done.stdout + done.stderr)[-500:]}")
        copied.rename(folder)


@dataclass
class Broker:
    """One broker; its data outlives its process."""

    folder: Path
    jars: Path
    port: int
    controller: int
    secure: int = 0
    """Port of the listener with TLS and a login; 0: there is none."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The broker's address as the collector's files take it: a YAML list."""
        return f"[127.0.0.1:{self.port}]"

    @property
    def secure_address(self) -> str:
        """The address that asks for TLS and a login, as a YAML list."""
        return f"[localhost:{self.secure}]"

    def format(self) -> None:
        """Make its empty storage."""
        text = _PROPERTIES + (_SECURE if self.secure else "")
        ports = {"port": self.port, "controller": self.controller, "secure": self.secure}
        written = text.format(**ports, data=self.folder / "data", partitions=PARTITIONS, folder=self.folder)
        self._properties.write_text(written, "utf-8")
        words = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(self._properties)]
        if self.secure:
            words += ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]
        subprocess.run(self._java(*words), check=True, capture_output=True, timeout=120)

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)), cwd=self.folder, stdout=log, stderr=log
            )
        deadline_s = time.monotonic() + 120
        while not self._listens():
            assert self.process.poll() is None, (self.folder / "broker.log").read_text("utf-8")[-3000:]
            assert time.monotonic() < deadline_s, "Kafka took no connection within 120 s"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _java(self, *words: str) -> list[str]:
        return ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-cp", f"{self.jars}{os.sep}*", *words]


@contextmanager
def run_broker(folder: Path, keystore: str = "") -> Iterator[Broker]:
    """
    Run a broker, empty at first, until the block ends.

    Args:
        folder: Where its data and log go.
        keystore: Key and certificate in PEM; with them it has a listener more, with TLS and a login.
    """
    port, controller, secure = free_ports(3)
    if keystore:
        (folder / "keystore.pem").write_text(keystore, "utf-8")
    broker = Broker(folder=folder, jars=jars(), port=port, controller=controller, secure=secure if keystore else 0)
    broker.format()
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
