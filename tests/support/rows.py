"""A table of rows as one test: every row is tried, and each that fails is named."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import pytest

_T = TypeVar("_T", bound=Callable[..., Any])
_LONGEST = 120


def for_each(
    names: str, rows: Iterable[Any], ids: Iterable[str] | Callable[[Any], object] | None = None
) -> Callable[[_T], _T]:
    """
    Return a decorator that runs a test, or each of a class, for each of *rows*, as `pytest.mark.parametrize` does.

    It is for tables whose rows share nothing that one could leave behind for the next: all run in one test.
    Each row has its own `tmp_path` and `monkeypatch`, and finds `capsys`, `capfd` and `caplog` empty.

    Args:
        names: Names of the arguments that a row fills, separated by commas.
        rows: One value a row, or a tuple where there are several names. There must be at least one.
        ids: What names each row in a failure: a list, or a function of the row. Default: the row itself.
    """
    table = list(rows)
    arguments = [name.strip() for name in names.split(",")]
    labels = _labels(table, ids)

    def decorate(test: _T) -> _T:
        if isinstance(test, type):
            for name in [name for name in vars(test) if name.startswith("test")]:
                setattr(test, name, decorate(getattr(test, name)))
            return test

        assert not inspect.iscoroutinefunction(test), "a coroutine would never be awaited"

        @functools.wraps(test)
        def run_all(*given: Any, **fixtures: Any) -> None:
            assert table, "a table without rows proves nothing"
            failures = []
            for number, (row, label) in enumerate(zip(table, labels, strict=True)):
                values = (row,) if len(arguments) == 1 else row
                try:
                    with _fresh(fixtures, number) as own:
                        test(*given, **own, **dict(zip(arguments, values, strict=True)))
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever a row's check raises
                    error.add_note(f"the row: {label}")
                    failures.append(error)
            if len(failures) == 1:
                raise failures[0]
            if failures:
                raise BaseExceptionGroup(f"{len(failures)} of {len(table)} rows fail", failures)

        signature = inspect.signature(test)
        kept = [each for name, each in signature.parameters.items() if name not in arguments]
        run_all.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return cast("_T", run_all)

    return decorate


@contextmanager
def _fresh(fixtures: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Give a row the test's fixtures, those of pytest as if the row were a test by itself."""
    own = dict(fixtures)
    for name in ("capsys", "capfd"):
        if name in own:
            own[name].readouterr()
    if "caplog" in own:
        own["caplog"].clear()
    if "tmp_path" in own:
        own["tmp_path"] /= f"row{number}"
        own["tmp_path"].mkdir()
    with pytest.MonkeyPatch.context() as patch:
        if "monkeypatch" in own:
            own["monkeypatch"] = patch
        yield own


def _labels(table: list[Any], ids: Iterable[str] | Callable[[Any], object] | None) -> list[str]:
    if ids is None:
        return [repr(row)[:_LONGEST] for row in table]
    return [str(ids(row)) for row in table] if callable(ids) else list(ids)
