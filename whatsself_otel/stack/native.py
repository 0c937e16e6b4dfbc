"""Find the real programs on this machine, or say how to get them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.files import checkout
from whatsself_otel.stack.paths import cache_dir, executable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COLLECTOR: Final = "otelcol-whatsself"
BUILT: Final = (COLLECTOR, "prometheus", "victorialogs", "jaeger", "alertmanager")
"""Programs that native/build.py makes."""
LOKI: Final = "loki"
TEMPO: Final = "tempo"
FOUND: Final = (LOKI, TEMPO)
"""Programs under the AGPL: used if found, never built here."""
INSTALL: Final = 'pip install --no-index --find-links FOLDER "whatsself-otel[stack]"'
"""Install command for the programs' wheels, from a local folder only."""

_VARIABLES: Final = {COLLECTOR: "OTELCOL_BIN"}
# What native/build.py calls the folder it comes from, when that has another name.
_PROGRAMS: Final = {COLLECTOR: "collector", "promtool": "prometheus", "amtool": "alertmanager"}
# What the official downloads call it; the collector's has every component that the shipped files use.
_ALSO_CALLED: Final = {
    COLLECTOR: ("otelcol-contrib",),
    "victorialogs": ("victoria-logs", "victoria-logs-prod"),
}


def variable(name: str) -> str:
    """Return the environment variable that names program *name*, for example ``PROMETHEUS_BIN``."""
    return _VARIABLES.get(name, f"{name.upper()}_BIN")


def find_binary(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """
    Return the program called *name*: from its variable, this environment's wheel, the newest build, or PATH.

    The nearest source comes first: a wheel belongs to one environment, the cache to one user, PATH to the machine. Only
    programs that are built here are taken from the cache, so a Loki of an earlier release is ignored.

    Args:
        name: ``otelcol-whatsself``, ``prometheus``, ``promtool``, ``victorialogs``, ``jaeger``, ``alertmanager``,
            ``amtool``, ``loki`` or ``tempo``.
        environ: Where ``OTELCOL_BIN``, ``TEMPO_BIN``, ... and ``PATH`` are read from.

    Raises:
        CommandError: The variable names a file that is not there.
    """
    if named := environ.get(variable(name)):
        return _named(name, named)
    return _in_wheel(name) or _in_cache(name, environ) or _on_path(name, environ)


def _named(name: str, path: str) -> Path:
    if not Path(path).is_file():
        raise CommandError(
            f"{variable(name)} names {path!r}, which is not a file. Correct or unset it.", status=MISSING
        )
    return Path(path)


def _in_wheel(name: str) -> Path | None:
    """Return the program from the wheel that native/wheels.py packs it into, where that is installed."""
    if name in FOUND:
        return None
    spec = importlib.util.find_spec(f"whatsself_otel_{_PROGRAMS.get(name, name)}")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name(executable(name))
    return path if path.is_file() else None


def _in_cache(name: str, environ: Mapping[str, str]) -> Path | None:
    if name in FOUND:
        return None
    builds = (cache_dir(environ) / "native").glob(f"*/[!.]*/{executable(name)}")
    return max(builds, key=lambda path: path.parent.stat().st_mtime, default=None)


def _on_path(name: str, environ: Mapping[str, str]) -> Path | None:
    for candidate in (name, *_ALSO_CALLED.get(name, ())):
        if found := shutil.which(candidate, path=environ.get("PATH", "")):
            return Path(found)
    return None


def need_binary(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the program called *name*, or raise an error that says how to get it."""
    if found := find_binary(name, environ):
        return found
    raise CommandError(f"The program {name} is not on this machine. {remedy(name)}", status=MISSING)


def missing(names: Iterable[str] = BUILT, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the ones of *names* that this machine lacks."""
    return tuple(name for name in names if find_binary(name, environ) is None)


def buildable() -> bool:
    """Return whether this machine can build the programs, which needs a checkout and Go on PATH."""
    return checkout() is not None and shutil.which("go") is not None


def remedy(name: str) -> str:
    """Return the remedy for a missing program *name*."""
    by_variable = f"set {variable(name)} to its path"
    if name in FOUND:
        return f"Download it from https://github.com/grafana/{name}/releases, put it on PATH or {by_variable}."
    if checkout():
        return f"Run `python native/build.py` (needs Go, https://go.dev/dl/), or {by_variable}."
    return (
        f"Use Docker, or install the wheels that `make wheels` packs in a clone (needs Go): `{INSTALL}`, "
        f"or {by_variable}."
    )


def ensure_built(environ: Mapping[str, str] = os.environ) -> None:
    """
    Build each program that is missing or older than the checkout. With nothing to do it takes well under a second.

    Programs named by a variable, installed by a wheel, or found only on PATH are used unchanged.

    Raises:
        CommandError: A build failed; native/build.py has said why.
    """
    root = checkout()
    only = [f"--only={_PROGRAMS.get(name, name)}" for name in BUILT if _is_ours(name, environ)]
    if root is None or not buildable() or not only:
        return
    command = [sys.executable, str(root / "native" / "build.py"), *only]
    status = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode  # noqa: S603
    if status:
        raise CommandError("The programs could not be built; the lines above say why.", status=status)


def _is_ours(name: str, environ: Mapping[str, str]) -> bool:
    if environ.get(variable(name)) or _in_wheel(name):
        return False
    return _in_cache(name, environ) is not None or _on_path(name, environ) is None
