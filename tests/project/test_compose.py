"""docker-compose.yml is hardened: each point is checked on the file, and each check is shown to fail on a worse one."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from alert_variables import alert_variables
from binaries import ROOT, Program, free_ports, need, post_otlp, run_once, running
from fault_rig import numbered
from rows import for_each
from vendor_files import VENDORS, header, listed

from whatsself_otel.stack import gates

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp_sink import Sink

Document = dict[str, Any]
IMAGES = {
    "otelcol": "otel/opentelemetry-collector-contrib:0.161.0",
    "prometheus": "prom/prometheus:v3.16.0",
    "loki": "grafana/loki:3.7.8",
    "tempo": "grafana/tempo:3.0.3",
    "alertmanager": "prom/alertmanager:v0.31.1",
    "grafana": "grafana/grafana:13.2.0",
}
HIDDEN_FROM_COMPOSE = {"OTELCOL_SCRAPE_PORT"}
"""Inside the container the port stays; what varies is the one of the host."""


def read() -> Document:
    document: Document = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return document


def services(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = document["services"]
    return found


def failing(document: Document, is_good: Callable[[Any], object]) -> list[str]:
    return [name for name, service in services(document).items() if not is_good(service)]


def not_read_only(document: Document) -> list[str]:
    return failing(document, lambda service: service.get("read_only") is True)


def with_capabilities(document: Document) -> list[str]:
    return failing(document, lambda service: service.get("cap_drop") == ["ALL"] and "cap_add" not in service)


def with_new_privileges(document: Document) -> list[str]:
    return failing(document, lambda service: "no-new-privileges:true" in service.get("security_opt", []))


def as_root(document: Document) -> list[str]:
    return failing(document, lambda service: re.fullmatch(r"[1-9]\d*:[1-9]\d*", service.get("user", "")))


def without_limits(document: Document) -> list[str]:
    return failing(document, lambda service: service.get("mem_limit") and service.get("pids_limit"))


def with_a_writable_root_for_programs(document: Document) -> list[str]:
    def is_good(service: Any) -> bool:
        return all({"noexec", "nosuid"} <= set(re.split("[,:]", mount)) for mount in service.get("tmpfs", []))

    return failing(document, lambda service: service.get("tmpfs") and is_good(service))


def stopped_in_haste(document: Document) -> list[str]:
    return failing(document, lambda service: int(service.get("stop_grace_period", "10s").removesuffix("s")) >= 30)


def published_beyond_this_machine(document: Document) -> list[str]:
    return failing(
        document, lambda service: all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    )


def unpinned(document: Document) -> list[str]:
    return failing(document, lambda service: re.search(r":(v?\d+\.\d+\.\d+|local)$", service.get("image", "")))


def reaching_into_the_host(document: Document) -> list[str]:
    def is_good(service: Any) -> bool:
        mounts = [str(mount) for mount in service.get("volumes", [])]
        read_only = all(mount.endswith(":ro") for mount in mounts if mount.startswith((".", "/")))
        no_socket = not any("docker.sock" in mount for mount in mounts)
        return read_only and no_socket and not ({"privileged", "pid", "ipc", "devices"} & service.keys())

    return [
        name
        for name in services(document)
        if not is_good(services(document)[name]) or services(document)[name].get("network_mode") == "host"
    ]


def with_a_secret_in_the_file(document: Document) -> list[str]:
    def is_good(service: Any) -> bool:
        environment = (service.get("environment") or {}).items()
        # The path of a secret's file is none.
        secret = re.compile(r"(PASSWORD|KEY$|TOKEN|SECRET|AUTH$|HEADERS$)(?!_FILE$)")
        return all(value is None or ":?" in str(value) for name, value in environment if secret.search(name))

    return failing(document, is_good)


def ungated(document: Document) -> list[str]:
    """Return the services that nothing waits for until they answer: no health check, and not asked by ``ready``."""
    asked = " ".join(services(document).get("ready", {}).get("command", []))
    return failing_names(
        document,
        lambda name, service: service.get("restart") == "no" or "healthcheck" in service or f"//{name}:" in asked,
    )


def failing_names(document: Document, is_good: Callable[[str, Any], object]) -> list[str]:
    return [name for name, service in services(document).items() if not is_good(name, service)]


MUTATIONS: dict[Any, Document] = {
    not_read_only: {"read_only": False},
    with_capabilities: {"cap_add": ["NET_ADMIN"]},
    with_new_privileges: {"security_opt": []},
    as_root: {"user": "0:0"},
    without_limits: {"mem_limit": None},
    with_a_writable_root_for_programs: {"tmpfs": ["/tmp"]},  # noqa: S108 - the path inside a container
    stopped_in_haste: {"stop_grace_period": "5s"},
    published_beyond_this_machine: {"ports": ["9090:9090"]},
    unpinned: {"image": "prom/prometheus:latest"},
    reaching_into_the_host: {"volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"]},
    with_a_secret_in_the_file: {"environment": {"GF_SECURITY_ADMIN_PASSWORD": "admin"}},
    ungated: {"healthcheck": ...},
}
"""Each check, and a change that it must report; ``...`` removes the key."""


@for_each("check", MUTATIONS, ids=lambda check: check.__name__)
class TestHardening:
    """No service of the file, and the same service made worse."""

    def test_no_service_is(self, check: Any) -> None:
        assert check(read()) == []

    def test_the_check_can_fail(self, check: Any) -> None:
        document = copy.deepcopy(read())
        service = services(document)["prometheus"]
        for key, value in MUTATIONS[check].items():
            service.pop(key) if value is ... else service.update({key: value})

        assert check(document) == ["prometheus"]


class TestFile:
    """What else the file promises."""

    def test_images_are_those_of_the_design(self) -> None:
        found = {name: service["image"] for name, service in services(read()).items() if "build" not in service}

        assert found == IMAGES

    def test_every_variable_of_every_vendor_reaches_the_collector(self) -> None:
        environment = services(read())["otelcol"]["environment"].keys()
        optional = (re.findall(r"([A-Z0-9_]{4,})=", header(vendor)["optional"]) for vendor in VENDORS)
        required = (listed(header(vendor)["requires"]) for vendor in VENDORS)
        wanted = {name for names in (*optional, *required) for name in names} - HIDDEN_FROM_COMPOSE

        assert wanted - environment == set()

    def test_a_secret_of_every_vendor_may_lie_in_a_file(self) -> None:
        environment = services(read())["otelcol-config"]["environment"].keys()
        required = {name for vendor in VENDORS for name in listed(header(vendor)["requires"])}

        assert {f"{name}_FILE" for name in required} - environment == set()

    def test_every_variable_of_what_changes_the_base_reaches_it(self) -> None:
        environment = services(read())["otelcol-config"]["environment"].keys()
        texts = [(ROOT / f"collector/{name}.yaml").read_text("utf-8") for name in ("config", "secure", "sampling")]
        wanted = {name for text in texts for name in re.findall(r"\$\{env:(\w+)", text)}
        fixed = {name for name in wanted if name.endswith("_PORT")} | {"OTELCOL_MEMORY_SPIKE_MIB"}

        assert wanted - fixed - environment == set()

    def test_the_lists_of_what_may_name_itself_reach_the_collector(self) -> None:
        base = (ROOT / "collector" / "config.yaml").read_text("utf-8")
        lists = set(re.findall(r"not IsMatch\(.*env:(\w+)", base))

        assert len(lists) == 3
        assert lists - services(read())["otelcol"]["environment"].keys() == set()

    def test_every_volume_is_named_and_used(self) -> None:
        document = read()
        mounts = [str(mount) for service in services(document).values() for mount in service.get("volumes", [])]
        named = {mount.split(":")[0] for mount in mounts if not mount.startswith((".", "/", "$"))}

        assert named == document["volumes"].keys()

    def test_every_mounted_file_is_there(self) -> None:
        mounts = [str(mount) for service in services(read()).values() for mount in service.get("volumes", [])]

        assert [mount for mount in mounts if mount.startswith(".") and not (ROOT / mount.split(":")[0]).exists()] == []

    def test_the_example_of_variables_holds_no_value(self) -> None:
        lines = (ROOT / ".env.example").read_text("utf-8").splitlines()

        assert [line for line in lines if re.match(r"#?[A-Z_]+=.+", line)] == []
        assert "GF_SECURITY_ADMIN_PASSWORD=" in lines

    def test_git_ignores_the_real_variables(self) -> None:
        assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def interpolated(value: str, environ: dict[str, str]) -> str:
    """Return what Compose makes of ``${NAME:-default}`` and ``${NAME:+instead}``."""

    def put(match: re.Match[str]) -> str:
        name, operator, text = match.groups()
        return environ.get(name) or text if operator == "-" else text if environ.get(name) else ""

    return re.sub(r"\$\{(\w+):([-+])([^}]*)\}", put, value)


class TestAlerting:
    """The container that writes Alertmanager's configuration, its program run as the file says."""

    def run(self, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it with *variables* of .env; a secret lies where it would be mounted, below *folder*."""
        document = read()
        service = services(document)["alertmanager-config"]
        (folder / "run" / "secrets").mkdir(parents=True)
        for name in service["secrets"]:
            source = ROOT / interpolated(document["secrets"][name]["file"], variables)
            (folder / "run" / "secrets" / name).write_bytes(source.read_bytes())
        environ = {name: interpolated(value, variables) for name, value in service["environment"].items()}
        environ = {
            name: f"{folder}{value}" if value.startswith("/run/secrets/") else value for name, value in environ.items()
        }
        assert service["command"][:2] == ["python", "-m"]
        command = [sys.executable, "-m", service["command"][2], str(folder / service["command"][3].lstrip("/"))]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    def everything(self, folder: Path) -> dict[str, str]:
        """Return everything that .env may say of alerts."""
        return alert_variables(folder, ALERT_SLACK_CHANNEL="#plantao", TIMEZONE="America/Manaus")

    def test_without_variables_it_writes_the_shipped_file(self, tmp_path: Path) -> None:
        done = self.run(tmp_path)

        written = (tmp_path / "alertmanager" / "alertmanager.yml").read_text("utf-8")
        assert done.returncode == 0
        assert done.stderr.startswith("Nobody is told of alerts: set ALERT_SLACK_URL_FILE or ALERT_EMAIL_TO.")
        assert written == (ROOT / "backends" / "alertmanager" / "alertmanager.yml").read_text("utf-8")

    @pytest.mark.backend
    def test_with_variables_alertmanager_takes_it_and_reads_its_secrets_where_they_are_mounted(
        self, tmp_path: Path
    ) -> None:
        done = self.run(tmp_path, **self.everything(tmp_path))
        path = tmp_path / "alertmanager" / "alertmanager.yml"
        checked = run_once([need("amtool"), "check-config", path])

        document = yaml.safe_load(path.read_text("utf-8"))
        receivers = {receiver["name"]: receiver for receiver in document["receivers"]}
        assert (done.returncode, done.stderr, checked.returncode) == (0, "", 0)
        assert receivers["critical"]["slack_configs"][0]["channel"] == "#plantao"
        assert receivers["critical"]["slack_configs"][0]["api_url_file"] == f"{tmp_path}/run/secrets/alert-slack-url"
        assert receivers["critical"]["email_configs"][0]["to"] == "owner@example.org"
        assert receivers["dead-man"]["webhook_configs"][0]["url_file"].endswith("/run/secrets/alert-heartbeat-url")
        assert document["global"]["smtp_auth_password_file"] == f"{tmp_path}/run/secrets/alert-smtp-password"
        assert document["time_intervals"][0]["time_intervals"][0]["location"] == "America/Manaus"

    @for_each(
        "name",
        [
            "ALERT_SLACK_URL_FILE",
            "ALERT_EMAIL_TO",
            "ALERT_SMTP_SMARTHOST",
            "ALERT_SMTP_FROM",
            "ALERT_SMTP_USERNAME",
            "ALERT_SMTP_PASSWORD_FILE",
        ],
    )
    def test_refuses_a_half_by_name_and_writes_nothing(self, tmp_path: Path, name: str) -> None:
        variables = self.everything(tmp_path)
        del variables[name]

        done = self.run(tmp_path, **variables)

        assert done.returncode == 2
        assert f"{name} is not" in done.stderr
        assert not (tmp_path / "alertmanager").exists()

    @for_each("name", ["slack", "smtp", "heartbeat"])
    def test_refuses_an_empty_secret_by_name(self, tmp_path: Path, name: str) -> None:
        variables = self.everything(tmp_path)
        (tmp_path / name).write_text("\n", "utf-8")

        done = self.run(tmp_path, **variables)

        assert done.returncode == 2
        assert re.match(rf"ALERT_{name.upper()}\w+_FILE names .*, which is missing or empty", done.stderr)

    def test_alertmanager_waits_for_it_and_finds_file_and_secrets_where_they_were_put(self) -> None:
        writes, reads = (services(read())[name] for name in ("alertmanager-config", "alertmanager"))

        assert reads["depends_on"]["alertmanager-config"] == {"condition": "service_completed_successfully"}
        assert writes["volumes"] == [f"alertmanager-config:{writes['command'][3]}"]
        assert "alertmanager-config:/etc/alertmanager:ro" in reads["volumes"]
        assert "--config.file=/etc/alertmanager/alertmanager.yml" in reads["command"]
        assert (writes["secrets"], writes["user"]) == (reads["secrets"], reads["user"])

    def test_every_variable_of_alerting_reaches_it(self) -> None:
        source = (ROOT / "whatsself_otel" / "stack" / "alerting.py").read_text("utf-8")
        named = set(re.findall(r'^[A-Z_]+: Final = "([A-Z_]+)"$', source, re.MULTILINE))
        example = (ROOT / ".env.example").read_text("utf-8")

        assert named == services(read())["alertmanager-config"]["environment"].keys()
        assert [name for name in sorted(named) if f"\n#{name}=\n" not in example] == []


class TestCollectorConfig:
    """The container that writes the collector's configuration, its program run as the file says."""

    def run(self, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it with *variables*."""
        module = services(read())["otelcol-config"]["command"][2]
        command = [sys.executable, "-m", module, str(folder)]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    def written(self, folder: Path, **variables: str) -> Document:
        """Return the text that it writes."""
        done = self.run(folder, **variables)
        assert (done.returncode, done.stderr) == (0, "")
        document: Document = yaml.safe_load((folder / "otelcol.json").read_text("utf-8"))
        return document

    def test_without_variables_it_is_the_local_backend_and_its_own_log(self, tmp_path: Path) -> None:
        written = self.written(tmp_path)

        assert {name for name in written["service"]["pipelines"] if name.startswith("traces/")} == {
            *("traces/in", "traces/keep", "traces/sink", "traces/tempo")
        }
        assert "processors" in written["service"]["telemetry"]["logs"]

    def test_takes_any_number_of_vendors_each_behind_its_gate(self, tmp_path: Path) -> None:
        written = self.written(tmp_path, OTELCOL_VENDORS="datadog, honeycomb", DD_API_KEY="k1", HONEYCOMB_API_KEY="k2")

        pipelines = written["service"]["pipelines"]
        for name in ("datadog", "honeycomb"):
            assert pipelines[f"traces/{name}"]["receivers"] == [f"otlp/{name}_gate"]
        assert pipelines["traces/tempo"]["receivers"] == ["forward/traces"]

    @for_each(
        "variables, said",
        [
            ({"OTELCOL_VENDORS": "datadog"}, "datadog: DD_API_KEY is not set."),
            ({"OTELCOL_VENDOR": "datadog"}, "datadog: DD_API_KEY is not set."),
            ({"OTELCOL_VENDORS": "datadog", "DD_API_KEY": ""}, "datadog: DD_API_KEY is empty."),
            ({"OTELCOL_VENDORS": "honeycom"}, "Did you mean honeycomb?"),
            ({"OTELCOL_SECURE": "true"}, "secure: OTELCOL_TOKEN_FILE is not set."),
            ({"OTELCOL_SAMPLING": "yes"}, "OTELCOL_SAMPLING is neither true nor false."),
            ({"OTELCOL_SECURE": "true", "OTELCOL_OWN_LOG": "true"}, "do not go together"),
        ],
    )
    def test_stops_the_start_by_name(self, tmp_path: Path, variables: dict[str, str], said: str) -> None:
        done = self.run(tmp_path / "otelcol", **variables)

        assert done.returncode == 2
        assert said in done.stderr
        assert not (tmp_path / "otelcol").exists()

    @pytest.mark.collector
    def test_the_collector_takes_sampling_security_and_an_extension_more(self, tmp_path: Path) -> None:
        files = {name: str(tmp_path / name) for name in ("OTELCOL_TLS_CERT_FILE", "OTELCOL_TLS_KEY_FILE")}
        files["OTELCOL_TOKEN_FILE"] = str(tmp_path / "token")
        for path in files.values():
            Path(path).write_text("x", "utf-8")
        variables = {**files, "OTELCOL_SECURE": "true", "OTELCOL_SAMPLING": "true", "OTELCOL_VENDORS": "debug"}

        written = self.written(tmp_path, **variables)
        environ = {**files, "OTELCOL_QUEUE_DIR": str(tmp_path / "queue")}
        done = run_once([need("otelcol-whatsself"), "validate", f"--config={tmp_path / 'otelcol.json'}"], environ)

        assert (done.returncode, done.stderr) == (0, "")
        assert "bearertokenauth/otlp" in written["service"]["extensions"]
        assert written["service"]["pipelines"]["traces/keep"]["processors"] == ["tail_sampling"]

    @pytest.mark.collector
    def test_a_secret_in_a_file_arrives_as_it_is_and_stands_nowhere_else(self, tmp_path: Path, sink: Sink) -> None:
        (tmp_path / "key").write_text("hcaik_01j\n", "utf-8")
        variables = {"OTELCOL_VENDORS": "honeycomb", "HONEYCOMB_API_KEY_FILE": str(tmp_path / "key")}
        self.written(tmp_path, **variables)
        grpc, http, health, metrics = (str(port) for port in free_ports(4))
        environ = {
            "HONEYCOMB_ENDPOINT": sink.url,
            "OTELCOL_GRPC_PORT": grpc,
            "OTELCOL_HTTP_PORT": http,
            "OTELCOL_HEALTH_PORT": health,
            "OTELCOL_METRICS_PORT": metrics,
            "OTELCOL_QUEUE_DIR": str(tmp_path / "queue"),
            "OTELCOL_GATE_DIR": str(gates.folder(tmp_path)),
        }
        gates.clear(gates.folder(tmp_path))
        program = Program(
            command=[need("otelcol-whatsself"), f"--config={tmp_path / 'otelcol.json'}"],
            ready_url=f"http://127.0.0.1:{health}/",
            environ=environ,
            log=tmp_path / "log",
        )
        with running(program):
            post_otlp(f"http://127.0.0.1:{http}/v1/traces", numbered(0, 1))
            sink.wait_for(lambda sink: sink.spans(), 30)
        shutil.rmtree(gates.folder(tmp_path))

        sent = next(each for each in sink.received if each.path == "/v1/traces")
        assert sent.headers["x-honeycomb-team"] == "hcaik_01j"
        assert "hcaik_01j" not in (tmp_path / "otelcol.json").read_text("utf-8")
        assert (tmp_path / "secrets" / "HONEYCOMB_API_KEY").stat().st_mode & 0o077 == 0

    @pytest.mark.collector
    def test_a_secret_with_dollars_is_not_expanded(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("a$b${c}$$d\n", "utf-8")
        self.written(tmp_path, OTELCOL_VENDORS="otlp", OTLP_ENDPOINT_FILE=str(tmp_path / "key"))

        configuration = f"--config={tmp_path / 'otelcol.json'}"
        printed = run_once(
            [need("otelcol-whatsself"), "print-config", configuration], {"OTELCOL_QUEUE_DIR": str(tmp_path / "queue")}
        )

        assert yaml.safe_load(printed.stdout)["exporters"]["otlp_http/otlp"]["endpoint"] == "a$b${c}$$d"

    def test_the_collector_waits_for_it_and_reads_what_it_writes(self) -> None:
        writes, reads = (services(read())[name] for name in ("otelcol-config", "otelcol"))

        assert reads["depends_on"] == {"otelcol-config": {"condition": "service_completed_successfully"}}
        assert f"otelcol-config:{writes['command'][3]}" in writes["volumes"]
        assert "otelcol-config:/etc/otelcol:ro" in reads["volumes"]
        assert reads["command"] == ["--config=/etc/otelcol/otelcol.json"]
        assert writes["command"][4] == "--seen-as=/etc/otelcol"
        assert (writes["environment"], writes["user"]) == (reads["environment"], reads["user"])
        assert {each for each in writes["volumes"] if "secrets" in each} <= {*reads["volumes"]}


def compose(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``docker compose`` on the file, without the developer's own .env."""
    command = ["docker", "compose", "--env-file", os.devnull, "--file", str(ROOT / "docker-compose.yml"), *arguments]
    base = {"PATH": os.environ.get("PATH", ""), "HOME": str(Path.home())}
    return subprocess.run(command, env={**base, **environ}, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def _docker_compose() -> None:
    if shutil.which("docker") is None or compose("version").returncode != 0:
        pytest.skip("docker compose is not here: its own check of the file was not run")


@pytest.mark.usefixtures("_docker_compose")
class TestDockerCompose:
    """What ``docker compose config`` itself says; it needs no engine."""

    def test_takes_the_file(self) -> None:
        done = compose("config", "--quiet", GF_SECURITY_ADMIN_PASSWORD="chosen")  # noqa: S106 - no secret of anything

        assert (done.returncode, done.stderr) == (0, "")

    @for_each("environ", [{}, {"GF_SECURITY_ADMIN_PASSWORD": ""}], ids=["missing", "empty"])
    def test_refuses_to_start_without_a_password_and_names_it(self, environ: dict[str, str]) -> None:
        done = compose("config", "--quiet", **environ)

        assert done.returncode != 0
        assert "set GF_SECURITY_ADMIN_PASSWORD in it" in done.stderr

    def test_adds_the_vendor_that_is_chosen(self) -> None:
        done = compose("config", GF_SECURITY_ADMIN_PASSWORD="chosen", OTELCOL_VENDOR="datadog", DD_API_KEY="k")  # noqa: S106

        assert "OTELCOL_VENDOR: datadog" in done.stdout
        assert "DD_API_KEY: k" in done.stdout


class TestBridge:
    @pytest.mark.skipif(sys.platform == "win32", reason="the command is for the shell of the container")
    @for_each(
        "forward, more", [("", ""), ("http://n8n:5678/x y", "--forward|http://n8n:5678/x y|--queue|/data/queue|")]
    )
    def test_forwards_and_keeps_a_queue_only_where_there_is_a_target(
        self, forward: str, more: str, tmp_path: Path
    ) -> None:
        service = services(read())["bridge"]
        stub = tmp_path / "whatsself-otel"
        stub.write_text('#!/bin/sh\nfor word in "$@"; do printf "%s|" "$word"; done\n')
        stub.chmod(0o755)
        environ = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "BRIDGE_FORWARD": forward}
        command = [each.replace("$$", "$") for each in service["command"]]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=20)

        asked = "bridge|--listen|0.0.0.0:8085|--token-file|/run/secrets/bridge-token|"
        assert done.stdout == asked + more
        assert service["profiles"] == ["bridge"]
        assert "bridge-token" in read()["secrets"]
