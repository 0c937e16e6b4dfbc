"""
Merge the collector's files into one, for places that take one file: ConfigMaps, charts, other hosts.

They are merged as the collector does, and as text: variables are resolved on the host that reads the file.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.stack import gates
from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.files import collector_base
from whatsself_otel.stack.vendor_files import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from whatsself_otel.stack.vendor_files import Vendor

_TEXT: Final = "tag:yaml.org,2002:str"


def portable(vendors: Sequence[Vendor], more: Sequence[Path] = (), *, as_json: bool = False) -> str:
    """
    Return the base, *vendors* with their gates, and the files *more* as one file that keeps every ``${env:...}``.

    Args:
        vendors: In the order in which the collector is given them.
        more: Further configuration files, last.
        as_json: JSON instead of YAML.

    Raises:
        CommandError: PyYAML is not installed.
    """
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise CommandError("One file is written with PyYAML: pip install pyyaml", status=MISSING) from error
    whole: Any = None
    for path in (*collector_base(), *gates.files(vendors), *more):
        # As nodes and not as values: Python's reading of `on` or `1:30` is not Go's.
        node = yaml.compose(path.read_text("utf-8"), yaml.SafeLoader)
        whole = node if whole is None else _merged(yaml, whole, node)
    if added := [name for vendor in vendors for name in vendor.extensions]:
        wanted = f"${{env:OTELCOL_EXTENSIONS:-[{', '.join((*EXTENSIONS, *added))}]}}"
        named = _mapping(yaml, extensions=yaml.ScalarNode(_TEXT, wanted, style='"'))
        whole = _merged(yaml, whole, _mapping(yaml, service=named))
    text = str(yaml.serialize(whole, Dumper=_dumper(yaml), width=10_000, allow_unicode=True))
    return json.dumps(yaml.safe_load(text), indent=2) + "\n" if as_json else text


def _merged(yaml: Any, below: Any, above: Any) -> Any:
    """Return a new node: mappings are merged, anything else is replaced."""
    if not (isinstance(below, yaml.MappingNode) and isinstance(above, yaml.MappingNode)):
        return above
    entries = {key.value: (key, value) for key, value in below.value}
    for key, value in above.value:
        old = entries.get(key.value)
        entries[key.value] = (key, _merged(yaml, old[1], value) if old else value)
    return yaml.MappingNode(below.tag, list(entries.values()), flow_style=False)


def _mapping(yaml: Any, **entries: Any) -> Any:
    nodes = [(yaml.ScalarNode(_TEXT, name), node) for name, node in entries.items()]
    return yaml.MappingNode(yaml.SafeLoader.DEFAULT_MAPPING_TAG, nodes, flow_style=False)


def _dumper(yaml: Any) -> Any:
    class Plain(yaml.SafeDumper):  # type: ignore[misc]
        """A YAML dumper that repeats shared nodes: Helm and people cannot follow anchors."""

        def anchor_node(self, node: Any) -> None:
            self.anchors[node] = None
            children = node.value if isinstance(node.value, list) else []
            for child in children:
                for each in child if isinstance(child, tuple) else (child,):
                    self.anchor_node(each)

        def serialize_node(self, node: Any, parent: Any, index: Any) -> None:
            # A node that was written before would be written as an alias to it.
            self.serialized_nodes.pop(node, None)
            super().serialize_node(node, parent, index)

    return Plain
