"""A table of rows as one test: every row is tried, and each that fails is named."""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self, TypeVar, cast

import pytest

_T = TypeVar("_T", bound=Callable[..., Any])
_LONGEST = 120
_REPR = reprlib.Repr()  # shows a row whose own repr raises, too
_REPR.maxstring = _REPR.maxother = _LONGEST


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

        @functools.wraps(test)
        def run_all(*given: Any, **fixtures: Any) -> None:
            with _Failures(table) as failures:
                for values, label, own in _runs(arguments, table, labels, fixtures):
                    with failures.named(label), own as fresh:
                        test(*given, **fresh, **values)

        @functools.wraps(test)
        async def await_all(*given: Any, **fixtures: Any) -> None:
            with _Failures(table) as failures:
                for values, label, own in _runs(arguments, table, labels, fixtures):
                    with failures.named(label), own as fresh:
                        await test(*given, **fresh, **values)

        run: Any = await_all if inspect.iscoroutinefunction(test) else run_all
        signature = inspect.signature(test)
        kept = [each for name, each in signature.parameters.items() if name not in arguments]
        run.__signature__ = signature.replace(parameters=kept)
        return cast("_T", run)

    return decorate


class _Failures:
    """Collects what the rows of a table raise, and raises it at the end."""

    def __init__(self, table: list[Any]) -> None:
        assert table, "a table without rows proves nothing"
        self._rows, self._raised = len(table), list[Exception]()

    @contextmanager
    def named(self, label: str) -> Iterator[None]:
        """Keep what the block raises, under the name of its row."""
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever a row's check raises
            error.add_note(f"the row: {label}")
            self._raised.append(cast("Exception", error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind not in (None, pytest.skip.Exception):
            return  # an interrupt goes on; a row that is skipped hides no failure before it
        if len(self._raised) == 1:
            raise self._raised[0]
        if self._raised:
            raise BaseExceptionGroup(f"{len(self._raised)} of {self._rows} rows fail", self._raised)


def _runs(
    arguments: list[str], table: list[Any], labels: list[str], fixtures: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], str, AbstractContextManager[dict[str, Any]]]]:
    """Yield each row's arguments, its name, and the fixtures that are its own."""
    for number, (row, label) in enumerate(zip(table, labels, strict=True)):
        values = (row,) if len(arguments) == 1 else row
        yield dict(zip(arguments, values, strict=True)), label, _fresh(fixtures, number)


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
        return [_REPR.repr(row)[:_LONGEST] for row in table]
    return [str(ids(row)) for row in table] if callable(ids) else list(ids)
