"""Where things lie, and the lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rows import for_each

from whatsself_otel.stack import paths

HOLD = """
import runpy, sys, time
from pathlib import Path
paths = runpy.run_path(sys.argv[1])
with paths["locked"](Path(sys.argv[2])) as taken:
    print(taken, flush=True)
    time.sleep(60)
"""


class TestFolders:
    """Cache and data."""

    @for_each("find, variable", [(paths.cache_dir, "WHATSSELF_OTEL_CACHE"), (paths.data_dir, "WHATSSELF_OTEL_DATA")])
    def test_the_variable_comes_first(self, find: object, variable: str, tmp_path: Path) -> None:
        assert callable(find)
        assert find({variable: str(tmp_path), "XDG_CACHE_HOME": "/other", "XDG_DATA_HOME": "/other"}) == tmp_path

    @pytest.mark.skipif(sys.platform == "win32", reason="XDG is not for Windows")
    def test_else_the_systems_own_place(self) -> None:
        assert paths.cache_dir({"XDG_CACHE_HOME": "/c"}) == Path("/c/whatsself-otel")
        assert paths.data_dir({"XDG_DATA_HOME": "/d"}) == Path("/d/whatsself-otel")

    @pytest.mark.skipif(sys.platform == "win32", reason="home folders differ")
    def test_else_below_home(self) -> None:
        assert paths.cache_dir({}) == Path.home() / ".cache" / "whatsself-otel"
        assert paths.data_dir({}) == Path.home() / ".local" / "share" / "whatsself-otel"


class TestLock:
    """One holder at a time."""

    def test_a_second_holder_is_refused(self, tmp_path: Path) -> None:
        with paths.locked(tmp_path / "lock") as first, paths.locked(tmp_path / "lock") as second:
            assert (first, second) == (True, False)

    def test_is_free_again_after_the_block(self, tmp_path: Path) -> None:
        with paths.locked(tmp_path / "lock"):
            pass

        with paths.locked(tmp_path / "lock") as again:
            assert again

    def test_the_death_of_the_holder_frees_it_for_who_waits(self, tmp_path: Path) -> None:
        lock = tmp_path / "lock"
        command = [sys.executable, "-c", HOLD, paths.__file__, str(lock)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "True\n"
            with paths.locked(lock) as early:
                pass

            with paths.locked(lock, wait=holder.kill) as late:
                assert (early, late) == (False, True)
