"""The files of kubernetes/, and how the collector is started from them without a cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from markdown_pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ROOT / "kubernetes"
VALUES = sorted(path.name for path in FOLDER.glob("*.values.yaml"))
MANIFESTS = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name not in VALUES)
RUNS = ("agent", "gateway")
"""Values of the chart that starts a collector."""


def documents(name: str) -> Iterator[dict[str, Any]]:
    """Yield every document of the file *name*."""
    yield from (each for each in yaml.safe_load_all((FOLDER / name).read_text("utf-8")) if each)


def values(name: str) -> dict[str, Any]:
    """Return what ``NAME.values.yaml`` says."""
    (only,) = documents(f"{name}.values.yaml")
    return only


def config_map() -> dict[str, str]:
    """Return the collectors' files, by name."""
    (only,) = documents("collector-files.yaml")
    files: dict[str, str] = only["data"]
    return files


@dataclass(frozen=True)
class Pod:
    """Return a container's start arguments, with its folders below *folder* and the address *address*."""

    name: str
    folder: Path
    address: str = "127.0.0.77"

    def files(self) -> list[str]:
        """Return the names behind ``--config``, in their order."""
        return [argument.rpartition("/")[2] for argument in values(self.name)["command"]["extraArgs"]]

    def arguments(self) -> list[str]:
        """Write the files of the ConfigMap, and return the arguments that name them."""
        mounted = self.folder / "etc/whatsself"
        mounted.mkdir(parents=True, exist_ok=True)
        for name, text in config_map().items():
            (mounted / name).write_text(text, "utf-8")
        return [self.here(argument) for argument in values(self.name)["command"]["extraArgs"]]

    def variables(self) -> dict[str, str]:
        """Return the container's variables."""
        stated = {each["name"]: self.here(each["value"]) for each in values(self.name)["extraEnvs"] if "value" in each}
        return {"MY_POD_IP": self.address, "K8S_NODE_NAME": "node-1", **stated}

    def here(self, text: str) -> str:
        """Return *text* with the paths of a mount below the folder, and the address of the pod."""
        mounts = "|".join(re.escape(mount["mountPath"]) for mount in values(self.name)["extraVolumeMounts"])
        return re.sub(rf"(?<![\w.])(?={mounts})", str(self.folder), text).replace("$(MY_POD_IP)", self.address)
