"""
Build the real programs of the stack from their Go modules, for machines without Docker.

    python native/build.py                  build what is missing, one program after the other
    python native/build.py --only jaeger    one program
    python native/build.py --list           what there is, and what is built
    python native/build.py --regenerate     write native/collector again from collector/builder.yaml

Built programs lie outside the tree, in $WHATSSELF_OTEL_CACHE or the user's cache folder, one folder a version.
What is built already is kept; an interrupted build goes on where Go's own cache left off.
Needs Go and, the first time, the network.

Exit status: 0 all built, 1 a build failed, 2 wrong arguments, 3 Go is missing or too old.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
_PATHS = runpy.run_path(str(ROOT / "whatsself_otel" / "stack" / "paths.py"))
_BUILDER = "go.opentelemetry.io/collector/cmd/builder"
_PROGRESS_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One folder below native/ and its binaries. Its go.mod holds the versions, and nothing else does."""

    name: str
    binaries: Mapping[str, str]
    """File name without suffix -> Go package."""
    module: str
    """The required module whose version names the build."""
    tags: str = ""
    version_set: str = ""
    """Go variable, ``import/path.Name={}``, that the program reads its version from; none: its code has it."""
    for_tests: bool = False
    """Whether no stack runs it: it lies in no wheel."""
    cold_s: float = 60.0
    """Seconds of a first build as measured on 2 cores, downloads apart; only for the estimate shown."""


PROGRAMS = (
    Program(
        name="collector",
        binaries={"otelcol-whatsself": "."},
        module="go.opentelemetry.io/collector/service",
        tags="grpcnotrace",
        cold_s=159,
    ),
    Program(
        name="jaeger",
        binaries={"jaeger": "github.com/jaegertracing/jaeger/cmd/all-in-one"},
        module="github.com/jaegertracing/jaeger",
        version_set="github.com/jaegertracing/jaeger/pkg/version.latestVersion=v{}",
        cold_s=93,
    ),
    Program(
        name="prometheus",
        binaries={
            "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
            "promtool": "github.com/prometheus/prometheus/cmd/promtool",
        },
        module="github.com/prometheus/prometheus",
        # Leaves out every cloud's service discovery: the stack receives by OTLP and scrapes fixed addresses.
        tags="remove_all_sd",
        version_set="github.com/prometheus/common/version.Version={}",
        cold_s=105,
    ),
    Program(
        name="alertmanager",
        binaries={
            "alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager",
            "amtool": "github.com/prometheus/alertmanager/cmd/amtool",
        },
        module="github.com/prometheus/alertmanager",
        version_set="github.com/prometheus/common/version.Version={}",
        cold_s=28,
    ),
    Program(
        name="victorialogs",
        binaries={"victorialogs": "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"},
        module="github.com/VictoriaMetrics/VictoriaLogs",
        version_set="github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version=victoria-logs-v{}",
        cold_s=60,
    ),
    Program(
        name="vmalert",
        binaries={"vmalert": "github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert"},
        module="github.com/VictoriaMetrics/VictoriaMetrics",
        version_set="github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version=vmalert-v{}",
        for_tests=True,
        cold_s=60,
    ),
)


class BuildError(Exception):
    """A build that failed: what, why, and where its log lies."""


class ToolchainError(Exception):
    """Go is missing or too old for a module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where modules are read and programs are written."""

    modules: Path = ROOT / "native"
    cache: Path = dataclasses.field(default_factory=lambda: Path(_PATHS["cache_dir"]()) / "native")
    go: str = "go"
    target: str = ""
    """``GOOS/GOARCH`` to build for; none: this machine. Give another target another *cache*: programs are looked up
    there by name."""

    def source(self, program: Program) -> Path:
        """Return the folder of *program*'s Go module."""
        return self.modules / program.name

    def home(self, program: Program) -> Path:
        """Return the folder of all builds of *program*."""
        return self.cache / program.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One program at one version on this machine."""

    program: str
    version: str
    key: str
    built: bool
    seconds: float
    binaries: Mapping[str, str]


def required(go_mod: str, module: str) -> str:
    """Return the version at which *go_mod* requires *module*."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+v(\S+)", go_mod, re.MULTILINE)
    return found[1] if found else "0"


def released(work: Workspace, program: Program) -> str:
    """Return the version of *program* as its makers call it."""
    version = required((work.source(program) / "go.mod").read_text("utf-8"), program.module)
    # Prometheus 3.16.0 is the module v0.316.0: https://github.com/prometheus/prometheus#prometheus-code-base
    if program.name == "prometheus" and (found := re.fullmatch(r"0\.(\d)(\d\d)\.(\d+)", version)):
        return f"{found[1]}.{int(found[2])}.{found[3]}"
    return version


def flags(program: Program, version: str) -> tuple[str, ...]:
    """Return the flags of ``go build``: only what go.sum names, no paths of this machine, no symbol table."""
    tags = (f"-tags={program.tags}",) if program.tags else ()
    named = f" -X {program.version_set.format(version)}" if program.version_set else ""
    return ("-mod=readonly", "-trimpath", *tags, f"-ldflags=-s -w{named}")


def environment(work: Workspace) -> dict[str, str]:
    """Return the environment of every call of Go: static programs, no flags or workspace of the user's."""
    system, _, machine = work.target.partition("/")
    target = {"GOOS": system, "GOARCH": machine} if work.target else {}
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", **target}


def file_name(work: Workspace, binary: str) -> str:
    """Return the file name of *binary* on the system it is built for."""
    if not work.target:
        return str(_PATHS["executable"](binary))
    return f"{binary}.exe" if work.target.startswith("windows/") else binary


def toolchain(work: Workspace, program: Program) -> str:
    """
    Return the Go version and target that will build *program*, for example ``go1.26.8 linux/amd64``.

    Asked inside the module, because Go from 1.21 on fetches the version that go.mod names.
    """
    needed = _needed(work.source(program))
    remedy = f"Install Go {needed} or newer from https://go.dev/dl/ and put its bin folder on PATH."
    try:
        asked = _ask_go(work, program)
    except FileNotFoundError:
        raise ToolchainError(f"Go is needed to build {program.name}, and {work.go!r} was not found. {remedy}") from None
    words = asked.stdout.split()
    if asked.returncode or not words:
        raise ToolchainError(f"Go does not answer for {program.name}: {asked.stderr.strip()} {remedy}")
    if _ordered(words[0]) < _ordered(needed):
        raise ToolchainError(f"{program.name} needs Go {needed}, found {words[0].removeprefix('go')}. {remedy}")
    return f"{words[0]} {'/'.join(words[1:])}"


def _ask_go(work: Workspace, program: Program) -> subprocess.CompletedProcess[str]:
    command = (work.go, "env", "GOVERSION", "GOOS", "GOARCH")
    return subprocess.run(  # noqa: S603
        command, cwd=work.source(program), env=environment(work), capture_output=True, text=True, check=False
    )


def _needed(source: Path) -> str:
    found = re.search(r"^go (\S+)", (source / "go.mod").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else "1.21"


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def key(work: Workspace, program: Program, go: str) -> str:
    """Return the folder name of a build: version, and a hash over everything that decides its bytes."""
    source = work.source(program)
    version = released(work, program)
    digest = hashlib.sha256("\0".join((go, *flags(program, version), *program.binaries.values())).encode())
    for path in sorted([*source.glob("go.*"), *source.glob("*.go")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return f"{version}-{digest.hexdigest()[:12]}"


def inspect(work: Workspace, program: Program) -> Build:
    """Return the state of *program* without building it."""
    name = key(work, program, toolchain(work, program))
    folder = work.home(program) / name
    return Build(
        program=program.name,
        version=name.rpartition("-")[0],
        key=name,
        built=folder.is_dir(),
        seconds=0.0,
        binaries={binary: str(folder / file_name(work, binary)) for binary in program.binaries},
    )


def build(work: Workspace, program: Program) -> Build:
    """
    Build *program* unless this version of it is there; two callers build it once.

    Raises:
        ToolchainError: Go is missing or too old.
        BuildError: ``go build`` failed; its log stays beside the builds.
    """
    wanted = inspect(work, program)
    with _PATHS["locked"](
        work.home(program) / ".lock", wait=lambda: say(f"{program.name}: another build is running, waiting for it")
    ):
        folder = work.home(program) / wanted.key
        if not folder.is_dir():
            seconds = _compile(work, program, folder)
            say(f"{program.name} {wanted.version}: built in {_clock(seconds)}")
            return dataclasses.replace(wanted, built=True, seconds=round(seconds, 1))
        # The newest folder is the one in use: programs are looked up without asking Go.
        os.utime(folder)
        say(f"{program.name} {wanted.version}: already built")
        return dataclasses.replace(wanted, built=True)


def _compile(work: Workspace, program: Program, folder: Path) -> float:
    started = time.monotonic()
    for left in work.home(program).glob(".unfinished-*"):
        shutil.rmtree(left, ignore_errors=True)
    unfinished = work.home(program) / f".unfinished-{folder.name}"
    unfinished.mkdir()
    log = work.home(program) / "build.log"
    with log.open("wb") as output:
        for binary, package in program.binaries.items():
            target = unfinished / file_name(work, binary)
            options = flags(program, released(work, program))
            command = (work.go, "build", *options, "-o", str(target), package)
            process = subprocess.Popen(  # noqa: S603
                command, cwd=work.source(program), env=environment(work), stdout=output, stderr=subprocess.STDOUT
            )
            if _watch(process, program, started):
                raise BuildError(f"{program.name}: go build of {package} failed; {log} ends with:\n{_tail(log)}")
    unfinished.replace(folder)
    return time.monotonic() - started


def _watch(process: subprocess.Popen[bytes], program: Program, started: float) -> int:
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(_PROGRESS_S)
            say(f"{program.name}: {_clock(time.monotonic() - started)} of about {_clock(program.cold_s)}")
    except BaseException:
        process.kill()
        process.wait()
        raise


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-lines:])


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def say(line: str) -> None:
    """Tell a person of progress, beside the result."""
    print(line, file=sys.stderr, flush=True)


def regenerate(work: Workspace) -> int:
    """Write native/collector again from collector/builder.yaml, by the collector builder of the same version."""
    manifest = ROOT / "collector" / "builder.yaml"
    found = re.search(r"^\s+version: (\S+)", manifest.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError(f"{manifest} names no dist.version; write one.")
    # -e, because modules that only tests need are not to be had; non-strict, because releases are mixed.
    builder = (work.go, "run", f"{_BUILDER}@v{found[1]}")
    command = (*builder, "--config", str(manifest), "--skip-compilation", "--skip-strict-versioning")
    settings = environment(work) | {"GOFLAGS": "-e -buildvcs=false"}
    return subprocess.run(command, cwd=ROOT, env=settings, check=False).returncode  # noqa: S603


def chosen(names: Iterable[str] | None) -> tuple[Program, ...]:
    """Return the programs named, or all, in the order of building."""
    return tuple(program for program in PROGRAMS if not names or program.name in names)


def report(builds: Sequence[Build], *, as_json: bool) -> str:
    """Return *builds* for a machine or for a person."""
    if as_json:
        return json.dumps([dataclasses.asdict(build) for build in builds], indent=2)
    return "\n".join(
        f"{build.program:<13} {build.version:<9} {'built' if build.built else 'not built':<10} {path}"
        for build in builds
        for path in build.binaries.values()
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, prog="native/build.py", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=[program.name for program in PROGRAMS], help="repeatable"
    )
    parser.add_argument("--list", action="store_true", help="show what there is; build nothing")
    parser.add_argument("--json", action="store_true", help="the result on stdout as JSON; progress stays on stderr")
    parser.add_argument("--regenerate", action="store_true", help="write native/collector again; build nothing")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, work: Workspace | None = None) -> int:
    """Run the command; see the module's text for arguments and exit status."""
    arguments = _arguments(argv)
    work = work or Workspace()
    try:
        if arguments.regenerate:
            return regenerate(work)
        act = inspect if arguments.list else build
        print(report([act(work, program) for program in chosen(arguments.only)], as_json=arguments.json))
    except ToolchainError as error:
        say(str(error))
        return 3
    except BuildError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    # Asked to end, it ends Go as well, as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    sys.exit(main())
