"""
Grafana's own model of a dashboard reads every file whole: nothing in it is unknown, of another type or of no meaning.

The model is generated from Grafana's schemas, those of each panel, data source and their options included.

Source: https://github.com/grafana/grafana-foundation-sdk
"""

from __future__ import annotations

import copy
import enum
import inspect
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

from dashboards.files import documents
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from rows import for_each

from whatsself_otel.operations.model import Source

with warnings.catch_warnings():
    # It would rather have the second form, which Grafana's file provisioning refuses.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

DOCUMENTS = documents(Source.load())


def problems(document: dict[str, Any]) -> list[str]:
    """Return what Grafana would drop or not understand."""
    register_default_plugins()
    # What an import by hand asks for is taken away before the model reads the rest.
    document = {name: value for name, value in document.items() if not name.startswith("__")}
    read = Dashboard.from_json(copy.deepcopy(document))
    written = json.loads(JSONEncoder().encode(read))
    return [*_lost(document, written, ""), *_unmeant(read, "")]


def _lost(given: Any, kept: Any, place: str) -> Iterator[str]:
    """Yield the entries of *given* that *kept* lacks."""
    if isinstance(given, dict):
        for key, value in given.items():
            if key not in kept:
                # Absent and null are the same to Grafana.
                yield from [] if value is None else [f"{place}.{key} is unknown"]
            else:
                yield from _lost(value, kept[key], f"{place}.{key}")
    elif isinstance(given, list):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(one, other, f"{place}[{number}]")
    elif given != kept:
        yield f"{place} becomes {kept!r}"


def _unmeant(read: Any, place: str) -> Iterator[str]:
    """Yield each value that is not of its field's type, or none of its field's words."""
    if isinstance(read, dict):
        yield from (text for key, value in read.items() for text in _unmeant(value, f"{place}.{key}"))
    elif isinstance(read, list):
        yield from (text for number, value in enumerate(read) for text in _unmeant(value, f"{place}[{number}]"))
    elif type(read).__module__.startswith("grafana_foundation_sdk."):
        for name, hint in get_type_hints(type(read)).items():
            value = getattr(read, name, None)
            if value is not None and not _fits(value, hint):
                yield f"{place}.{name} is {value!r}"
            yield from _unmeant(value, f"{place}.{name}")


def _fits(value: Any, hint: Any) -> bool:
    """Return whether *value* is what *hint* says; of a list or an object only its words and scalars are looked at."""
    options = get_args(hint) or (hint,)
    scalars = [option for option in options if option in {int, float, str, bool}]
    words = [option for option in options if inspect.isclass(option) and issubclass(option, enum.Enum)]
    if not isinstance(value, int | float | str | bool) or len(scalars) + len(words) != len(
        [option for option in options if option is not type(None)]
    ):
        return True
    return any(value in [word.value for word in each] for each in words) or any(
        isinstance(value, (int, float) if scalar is float else scalar) for scalar in scalars
    )


@for_each("name", DOCUMENTS)
def test_grafanas_model_reads_all_of_it(name: str) -> None:
    assert problems(DOCUMENTS[name]) == []


@for_each(
    "break_it",
    [
        lambda each: each.update(autor="?"),
        lambda each: each.update(graphTooltip=7),
        lambda each: each["panels"][1].update(subtitle="?"),
        lambda each: each["panels"][1]["gridPos"].update(x="1"),
        lambda each: each["panels"][1]["options"].update(colorMode="rainbow"),
        lambda each: each["panels"][1]["options"].update(colourMode="value"),
        lambda each: each["panels"][1]["targets"][0].update(range="yes"),
        lambda each: each["panels"][1]["targets"][0].update(query="up"),
        lambda each: each["panels"][1]["fieldConfig"]["defaults"].update(noData="?"),
        lambda each: each["templating"]["list"][0].update(kind="datasource"),
        lambda each: each["templating"]["list"][0].update(type="source"),
        lambda each: each["links"][0].update(type="page"),
    ],
)
def test_what_it_would_not_understand_is_found(break_it: Callable[[dict[str, Any]], object]) -> None:
    document = copy.deepcopy(DOCUMENTS["overview.json"])
    break_it(document)

    assert problems(document)
