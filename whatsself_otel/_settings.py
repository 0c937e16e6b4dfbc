"""
Read one setting: its argument, else the first of its variables that is set, else its default.

The functions below (`text`, `choice`, `count`, …) make the fields of a frozen dataclass. `read` returns the values of
all its fields, with every problem. An empty variable counts as unset.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from whatsself_otel.errors import ConfigError
from whatsself_otel.masking import Masker, MaskingConfig

UNSET: Final[Any] = object()
"""Value of a field that was not given."""
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})
_LONGEST: Final = 120
"""Characters of a wrong value that a message shows."""


class PartlyWrongError(ValueError):
    """
    Raised by a parser for a list with some wrong items.

    Args:
        value: The rest, which counts.
        left_out: What is wrong, as it may be shown.
    """

    def __init__(self, value: Any, left_out: Iterable[str]) -> None:
        super().__init__()
        self.value = value
        self.left_out = ", ".join(left_out)


def parse_pairs(given: str, holds: Callable[[str, str], bool]) -> dict[str, str]:
    """
    Return the pairs of ``key=value,key=value``, percent-decoded, without those that *holds* refuses.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables

    Raises:
        PartlyWrongError: If some pairs are left out.
        ValueError: If all are.
    """
    right: dict[str, str] = {}
    left_out: list[str] = []
    for number, item in enumerate(filter(str.strip, given.split(",")), start=1):
        key, sign, value = item.partition("=")
        pair = unquote(key.strip()), unquote(value.strip())
        if sign and holds(*pair):
            right[pair[0]] = pair[1]
        else:
            left_out.append(f"pair {number}")
    if left_out and right:
        raise PartlyWrongError(right, left_out)
    if left_out:
        raise ValueError(given)
    return right


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """
    How one field is read.

    Args:
        variables: Its environment variables, without the prefix of the group that the field stands in.
        default: Its value if nothing else says one.
        rule: What the value has to be, as the end of a sentence that begins with the field's name.
        check: Returns whether a value obeys the rule.
        parse: Returns the value of a variable's text, or raises ``ValueError``.
        variable_rule: The rule for a variable's text, where it differs from `rule`.
        show: Returns a value as its variable would have it.
        is_shown: The ``repr`` of the configuration has it.
        secret: Never show a value.
        stricter: Returns the stricter of an argument and a variable's value; None: the argument wins.
    """

    variables: tuple[str, ...]
    default: Any
    rule: str
    check: Callable[[Any], bool]
    parse: Callable[[str], Any] = str.strip
    variable_rule: str = ""
    show: Callable[[Any], str] = str
    is_shown: bool = True
    secret: bool = False
    stricter: Callable[[Any, Any], Any] | None = None

    @property
    def has_default(self) -> bool:
        """Whether the default has a meaning of its own."""
        return self.default is not None and self.default not in ((), {})

    def is_given(self, argument: object) -> bool:
        """Return whether *argument* was given. None counts as not given if it is the default."""
        return argument is not UNSET and not (argument is None and self.default is None)

    def holds(self, value: object) -> bool:
        """Return whether *value* obeys the rule."""
        if value is None and self.default is None:
            return True
        try:
            return bool(self.check(value))
        except Exception:  # noqa: BLE001 - a value of any type may raise whatever it likes when it is asked
            return False

    def show_wrong(self, value: object) -> str:
        """Return *value* as a message may show it."""
        return "(hidden)" if self.secret else show(value)

    def settle(self, value: Any) -> Any:
        """Return *value* in the type of its field: text becomes a path, and a mutable value is copied."""
        if self.parse is Path and isinstance(value, str):
            return Path(value)
        if isinstance(value, list):
            return tuple(value)
        return dict(value) if isinstance(value, Mapping) else value


@dataclass(slots=True)
class Reading:
    """What `read` has found."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """The source of each field: its own name for an argument, or a variable. Defaults have no entry."""
    wrong_arguments: dict[str, str] = field(default_factory=dict)
    """The problems, one sentence for each field."""
    wrong_variables: list[str] = field(default_factory=list)

    def take(self, name: str, setting: Setting, argument: Any, environ: Mapping[str, str], prefix: str) -> None:
        """Decide the value of the field *name* from *argument* or *environ*."""
        given = setting.is_given(argument)
        if given and not setting.holds(argument):
            self.wrong_arguments[name] = f"{name} {setting.rule}, got {setting.show_wrong(argument)}."
            argument = setting.default  # so that the rest is checked all the same
        source, found = name if given else "", argument if given else setting.default
        if not given or setting.stricter is not None:
            variable, value = self._from_environment(setting, environ, prefix)
            if value is not UNSET:
                source = source or variable
                found = setting.stricter(argument, value) if given and setting.stricter is not None else value
        if source:
            self.sources[name] = source
        self.values[name] = setting.settle(found)

    def take_group(self, name: str, kind: type, argument: Any, environ: Mapping[str, str], prefix: str) -> None:
        """Decide the values of the field *name*, which holds a group of settings."""
        if argument is not UNSET and not isinstance(argument, kind):
            self.wrong_arguments[name] = f"{name} must be {_a(kind.__name__)}, got {type(argument).__name__}."
            argument = UNSET
        inner = read(kind, {} if argument is UNSET else arguments_of(argument), environ, prefix)
        self.wrong_variables += inner.wrong_variables
        self.values[name] = kind(**inner.values)

    def report(self, name: str, problem: str) -> None:
        """Keep a *problem* that the field's own rule does not find; a sentence without its subject."""
        source = self.sources.get(name, name)
        if source == name:
            self.wrong_arguments[name] = f"{name} {problem}"
        elif (told := f"{source} {problem}") not in self.wrong_variables:
            self.wrong_variables.append(told)

    def _from_environment(self, setting: Setting, environ: Mapping[str, str], prefix: str) -> tuple[str, Any]:
        """Return the first variable with a valid value, and the value."""
        for suffix in setting.variables:
            variable = prefix + suffix
            text = environ.get(variable, "")
            if text.strip() and (value := self._parse(variable, setting, text)) is not UNSET:
                return variable, value
        return "", UNSET

    def _parse(self, variable: str, setting: Setting, text: str) -> Any:
        rule = setting.variable_rule or setting.rule
        try:
            value = setting.parse(text)
        except PartlyWrongError as error:
            self.wrong_variables.append(f"{variable} {rule}; left out: {error.left_out}. Correct the variable.")
            value = error.value
        except (ValueError, TypeError, OverflowError):
            value = UNSET
        if value is not UNSET and setting.holds(value):
            return value
        shown = setting.show(setting.default) if setting.has_default else ""
        default = f"{shown} is used instead" if shown else "it counts as unset"
        self.wrong_variables.append(
            f"{variable} {rule}, got {setting.show_wrong(text)}; {default}. Correct the variable or unset it."
        )
        return UNSET


def read(kind: type, given: Mapping[str, Any], environ: Mapping[str, str], prefix: str = "") -> Reading:
    """
    Return the value of every setting of the dataclass *kind*.

    Args:
        kind: A dataclass with fields of this module.
        given: Arguments by field; `UNSET` or missing for one that was not given.
        environ: The environment variables.
        prefix: What the variables of *kind* begin with.
    """
    reading = Reading()
    for each in dataclasses.fields(kind):
        argument = given.get(each.name, UNSET)
        if "setting" in each.metadata:
            reading.take(each.name, each.metadata["setting"], argument, environ, prefix)
        elif "group" in each.metadata:
            reading.take_group(each.name, each.metadata["group"], argument, environ, each.metadata["prefix"])
    return reading


def check_arguments(group: Any) -> None:
    """
    Check the arguments of *group*, an instance of a frozen dataclass, and set its fields; read no variable.

    Raises:
        ConfigError: If any argument breaks its rule; it lists all of them.
    """
    reading = read(type(group), arguments_of(group), {})
    if reading.wrong_arguments:
        raise ConfigError(reading.wrong_arguments.values())
    set_fields(group, reading.values)


def arguments_of(group: Any) -> dict[str, Any]:
    """Return the fields of *group*, an instance of a dataclass with fields of this module."""
    return {each.name: getattr(group, each.name) for each in dataclasses.fields(group) if each.metadata}


def set_fields(group: Any, values: Mapping[str, Any]) -> None:
    """Set *values* on the frozen dataclass *group*; for use in its ``__post_init__``."""
    for name, value in values.items():
        object.__setattr__(group, name, value)


@dataclass(frozen=True, slots=True)
class Row:
    """
    One setting of a configuration.

    Args:
        path: Its field, with the field of its group before it.
        variables: The whole names of its variables.
        setting: How it is read.
    """

    path: tuple[str, ...]
    variables: tuple[str, ...]
    setting: Setting

    def value(self, config: Any) -> Any:
        """Return the value of this setting in *config*."""
        for name in self.path:
            config = getattr(config, name)
        return config


def rows(kind: type, prefix: str = "", path: tuple[str, ...] = ()) -> Iterator[Row]:
    """Return every setting of the dataclass *kind*, those of its groups too."""
    for each in dataclasses.fields(kind):
        if "setting" in each.metadata:
            setting = each.metadata["setting"]
            yield Row((*path, each.name), tuple(prefix + name for name in setting.variables), setting)
        elif "group" in each.metadata:
            yield from rows(each.metadata["group"], each.metadata["prefix"], (*path, each.name))


def in_order(kind: type, problems: Mapping[str, str]) -> list[str]:
    """Return *problems* in the order of the fields of *kind*; problems of other names come last."""
    names = [each.name for each in dataclasses.fields(kind)]
    return [problems[name] for name in sorted(problems, key=lambda name: [*names, name].index(name))]


def show(value: object) -> str:
    """Return *value* for a message, with no digit of a phone in it."""
    return repr(Masker(MaskingConfig(mask_last=0)).value(None, value))[:_LONGEST]


def setting(default: Any, *variables: str, **options: Any) -> Any:
    """Return a field whose `Setting` has these *options*."""
    made = Setting(variables=variables, default=default, **options)
    is_shown = made.is_shown and not made.secret
    return dataclasses.field(default=UNSET, repr=is_shown, metadata={"setting": made})


def group(kind: type, prefix: str) -> Any:
    """Return a field for settings that belong together: an instance of *kind*, whose variables begin with *prefix*."""
    return dataclasses.field(default=UNSET, metadata={"group": kind, "prefix": prefix})


def text(default: str | None, *variables: str) -> Any:
    """Return a field for a short text."""
    return setting(
        default,
        *variables,
        rule="must be text without control characters, at most 255 of them",
        check=lambda value: isinstance(value, str) and len(value) < 256 and value.isprintable(),
    )


def choice(default: str | None, options: tuple[str, ...], *variables: str, hint: str = "", **more: Any) -> Any:
    """Return a field for one of *options*; *hint* ends its rule."""
    return setting(
        default,
        *variables,
        parse=lambda given: given.strip().lower(),
        rule=f"must be one of {', '.join(options)}{hint}",
        check=lambda value: value in options,
        **more,
    )


def count(default: int | None, least: int, most: int, *variables: str, **more: Any) -> Any:
    """Return a field for a whole number."""
    return setting(
        default,
        *variables,
        parse=int,
        rule=f"must be a whole number from {least} to {most}",
        check=lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
        **more,
    )


def seconds(default: float, most: float, *variables: str) -> Any:
    """Return a field for seconds, whose variable is in seconds too."""
    return setting(
        default,
        *variables,
        parse=float,
        rule=f"must be a number of seconds above 0, at most {most:g}",
        check=lambda value: _is_number(value) and 0 < value <= most,
        show=lambda value: f"{value:g}",
    )


def milliseconds(default: float, most: float, *variables: str, with_zero: bool = False) -> Any:
    """
    Return a field for seconds, whose variable is in whole milliseconds.

    Source: https://opentelemetry.io/docs/specs/otel/configuration/common/#duration
    """
    rule = f"from 0 to {most:g}" if with_zero else f"above 0, at most {most:g}"
    return setting(
        default,
        *variables,
        parse=lambda given: int(given) / 1000,
        rule=f"must be a number of seconds {rule}",
        check=lambda value: _is_number(value) and (0 < value <= most or (with_zero and value == 0)),
        variable_rule=f"must be a whole number of milliseconds from {int(not with_zero)} to {most * 1000:.0f}",
        show=_show_milliseconds,
    )


def timeout(default: float | None, most: float, *variables: str) -> Any:
    """
    Return a field for seconds, whose variable is in whole milliseconds and means the longest with 0.

    Source: https://opentelemetry.io/docs/specs/otel/configuration/common/#timeout
    """
    return setting(
        default,
        *variables,
        parse=lambda given: int(given) / 1000 or float(most),
        rule=f"must be a number of seconds above 0, at most {most:g}",
        check=lambda value: _is_number(value) and 0 < value <= most,
        variable_rule=f"must be a whole number of milliseconds from 1 to {most * 1000:.0f}, or 0 for the longest",
        show=_show_milliseconds,
    )


def switch(default: bool | None, *variables: str, parse: Callable[[str], bool] | None = None, **more: Any) -> Any:  # noqa: FBT001 - the default of a switch is a boolean
    """Return a field for true or false."""
    return setting(
        default,
        *variables,
        parse=parse or parse_boolean,
        rule="must be true or false",
        check=lambda value: isinstance(value, bool),
        show=lambda value: str(value).lower(),
        **more,
    )


def file(*variables: str) -> Any:
    """Return a field for a file that must be readable."""
    return setting(
        None,
        *variables,
        parse=Path,
        rule="must be the path of a readable file",
        check=lambda value: isinstance(value, str | Path) and _is_readable(Path(value)),
    )


def items(
    default: tuple[str, ...],
    rule: str,
    check: Callable[[Any], bool],
    *variables: str,
    lower: bool = False,
    closes: bool = False,
    **more: Any,
) -> Any:
    """
    Return a field for texts that each obey *check*, separated by commas in the variable.

    Args:
        default: Its value if nothing else says one.
        rule: As in `Setting`.
        check: Returns whether one text is right.
        variables: As in `Setting`.
        lower: Ignore case in the variable.
        closes: A variable without any right text leaves nothing, instead of the default, which would let more through.
        more: As in `Setting`.
    """
    return setting(
        default,
        *variables,
        parse=lambda given: parse_items(given.lower() if lower else given, check, closes=closes),
        rule=rule,
        check=lambda value: isinstance(value, tuple | list) and all(map(check, value)),
        show=",".join,
        **more,
    )


def parse_items(given: str, check: Callable[[str], bool], *, closes: bool = False) -> tuple[str, ...]:
    """
    Return the texts of *given*, which commas separate.

    Raises:
        PartlyWrongError: If some do not obey *check*, or with *closes* if none does.
        ValueError: If none does.
    """
    every = [item.strip() for item in given.split(",") if item.strip()]
    if wrong := [item for item in every if not check(item)]:
        if len(wrong) == len(every) and not closes:
            raise ValueError
        raise PartlyWrongError(tuple(dict.fromkeys(item for item in every if item not in wrong)), map(show, wrong))
    return tuple(dict.fromkeys(every))


def parse_boolean(given: str) -> bool:
    """Return what *given* says; raises ``ValueError`` for anything but true and false in their usual spellings."""
    lowered = given.strip().lower()
    if lowered not in _TRUE | _FALSE:
        raise ValueError(lowered)
    return lowered in _TRUE


def parse_standard_boolean(given: str) -> bool:
    """
    Return what *given* says; raises ``ValueError`` for anything but true and false.

    Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#boolean
    """
    lowered = given.strip().lower()
    if lowered not in {"true", "false"}:
        raise ValueError(lowered)
    return lowered == "true"


def _show_milliseconds(value: float) -> str:
    return f"{value * 1000:.0f}"


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK) and not path.is_dir()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"
