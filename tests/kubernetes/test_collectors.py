"""The real collector's answer to the configuration of the pods."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from binaries import COLLECTOR, Program, free_ports, get, need, run_once, running
from certificates import make_certificates
from documents import Pod, documents

pytestmark = pytest.mark.collector
SECRETS = Path("run/secrets/otelcol")


def pod(name: str, folder: Path) -> Pod:
    """Return the pod *name* with certificates and a token where its secret would be mounted."""
    (folder / SECRETS).mkdir(parents=True)
    made = make_certificates(folder)
    for file, source in (
        ("ca.crt", made.authority),
        ("tls.crt", made.certificate("localhost")),
        ("tls.key", made.key("localhost")),
    ):
        (folder / SECRETS / file).write_bytes(source.read_bytes())
    (folder / SECRETS / "token").write_text("invented-for-this-test\n", "utf-8")
    return Pod(name, folder)


def judged(arguments: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run_once([need(COLLECTOR), "validate", *arguments], variables)


class TestGateway:
    def test_runs_and_answers_kubelet_and_prometheus_on_the_pods_address_alone(self, tmp_path: Path) -> None:
        started = pod("gateway", tmp_path)
        grpc, http = free_ports(2)
        program = Program(
            command=[need(COLLECTOR), *started.arguments()],
            ready_url=f"http://{started.address}:13133/",
            environ={
                **started.variables(),
                "OTELCOL_GRPC_PORT": str(grpc),
                "OTELCOL_HTTP_PORT": str(http),
            },
            log=tmp_path / "collector.log",
        )
        with running(program):
            metrics = get(f"http://{started.address}:8888/metrics")
            elsewhere = get("http://127.0.0.1:13133/")

        assert metrics is not None
        assert b"otelcol_process_uptime" in metrics
        assert elsewhere is None
        assert (tmp_path / "var/lib/otelcol/queue").is_dir()

    def test_the_operators_collector_is_valid_too(self, tmp_path: Path) -> None:
        (document,) = documents("gateway.opentelemetrycollector.yaml")
        (tmp_path / "operator.yaml").write_text(yaml.safe_dump(document["spec"]["config"]), "utf-8")

        done = judged([f"--config={tmp_path / 'operator.yaml'}"], pod("gateway", tmp_path).variables())

        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ("receivers::otlp/gateway::protocols::grpc::max_recv_msg_siz_mib: 4", "max_recv_msg_siz_mib"),
            ("exporters::otlp_http/loki::sending_queue::queue_size: many", "queue_size"),
        ],
    )
    def test_a_misspelled_field_and_an_invalid_value_are_refused(self, setting: str, said: str, tmp_path: Path) -> None:
        started = pod("gateway", tmp_path)

        done = judged([*started.arguments(), f"--config=yaml:{setting}"], started.variables())

        assert done.returncode != 0
        assert said in done.stderr


class TestAgent:
    def test_is_valid_but_for_what_the_official_image_alone_has(self, tmp_path: Path) -> None:
        """``load_balancing`` and ``k8s_attributes``: in place of the one stands the exporter inside it."""
        started = pod("agent", tmp_path)
        arguments = [each for each in started.arguments() if not each.endswith("/k8s-attributes.yaml")]
        file = tmp_path / "etc/whatsself/agent.yaml"
        agent = yaml.safe_load(file.read_text("utf-8"))
        balancing = agent["exporters"].pop("load_balancing/gateway")
        inner = {key: balancing[key] for key in ("sending_queue", "retry_on_failure")} | balancing["protocol"]["otlp"]
        agent["exporters"]["otlp_grpc/each"] = inner | {"endpoint": "127.0.0.1:4327"}
        agent["service"]["pipelines"]["traces/gateway"]["exporters"] = ["otlp_grpc/each"]
        file.write_text(yaml.safe_dump(agent), "utf-8")

        done = judged(arguments, started.variables())

        assert len(arguments) == len(started.files()) - 1
        assert (done.returncode, done.stderr) == (0, "")
