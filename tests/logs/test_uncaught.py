"""Exits that pass no logger print nothing raw, and each makes a record."""

from __future__ import annotations

from pathlib import Path

import pytest
from log_programs import MASKED, PHONE, SET_UP, run
from otlp_sink import Sink

EXITS = {
    "a finalizer": (
        """
class Contact:
    def __del__(self): raise ValueError("to +{phone}")
Contact()
""",
        0,
    ),
    "a generator that is closed": (
        """
def numbers():
    try: yield 1
    finally: raise ValueError("to +{phone}")
opened = numbers(); next(opened); del opened
""",
        0,
    ),
    "a callback of atexit": (
        """
def fail(): raise ValueError("to +{phone}")
atexit.register(fail)
""",
        0,
    ),
    "a callback of atexit that was there before": ("", 0),
    "a child of multiprocessing": (
        """
import multiprocessing
def fail(): raise ValueError("to +{phone}")
child = multiprocessing.get_context("fork").Process(target=fail); child.start(); child.join()
assert child.exitcode == 1
""",
        0,
    ),
    "a handler that fails": (
        """
class Broken(logging.FileHandler):
    def format(self, record): raise ValueError("to +{phone}")
logging.getLogger("shop").addHandler(Broken("shop.log"))
logging.getLogger("shop").warning("kept +{phone}")
""",
        0,
    ),
    "the last hook of another": (
        """
def hook(*error): sys.__excepthook__(*error)
sys.excepthook = hook
telemetry_late()
raise ValueError("to +{phone}")
""",
        1,
    ),
    "an exception that nobody caught, with the logger silenced": (
        """
logging.disable(logging.CRITICAL)
raise ValueError("to +{phone}")
""",
        1,
    ),
}
PROGRAM = """
import atexit, logging, sys
{before}
from whatsself_otel import setup_telemetry
def telemetry_late(): setup_telemetry()
{after}
"""


@pytest.mark.parametrize("name", EXITS)
def test_an_exception_is_a_masked_record_and_no_raw_text(sink: Sink, tmp_path: Path, name: str) -> None:
    program, status = EXITS[name]
    before = "def early(): raise ValueError('to +{phone}')\natexit.register(early)" if "before" in name else ""
    after = program if "telemetry_late()" in program else "telemetry_late()\n" + program
    ran = run(sink, tmp_path, PROGRAM.format(before=before, after=after).replace("{phone}", PHONE))

    assert ran.status == status, ran.stderr
    assert [line["err"]["message"] for line in ran.lines if "err" in line] == [f"to {MASKED}"]
    assert ("Traceback" in ran.stderr) == (name == "the last hook of another")
    ran.assert_no_phone()


def test_a_finalizer_at_the_end_of_python_prints_nothing_raw(sink: Sink, tmp_path: Path) -> None:
    """A record of it is a matter of luck: Python runs no hook that is written in Python at its very end."""
    fail = f"    def __del__(self): raise ValueError('to +{PHONE}')"
    ran = run(sink, tmp_path, f"{SET_UP}class Contact:\n{fail}\nkept = Contact()\n")

    assert (ran.status, "Traceback" in ran.stderr) == (0, False)
    ran.assert_no_phone()


def test_ctrl_c_while_an_exception_is_handled_shows_it_masked(sink: Sink, tmp_path: Path) -> None:
    ran = run(
        sink,
        tmp_path,
        SET_UP + f"try:\n    raise ValueError('to +{PHONE}')\nexcept ValueError:\n    raise KeyboardInterrupt\n",
    )

    assert ran.status in {-2, 130}
    assert f"ValueError: to {MASKED}" in ran.stderr
    assert ran.stderr.endswith("KeyboardInterrupt\n")
    assert ran.messages("uncaught") == []
    ran.assert_no_phone()


def test_ctrl_c_in_a_child_of_multiprocessing_shows_it_masked(sink: Sink, tmp_path: Path) -> None:
    ran = run(
        sink,
        tmp_path,
        "import multiprocessing\n"
        + SET_UP
        + f"""
def stop():
    try: raise ValueError("to +{PHONE}")
    except ValueError: raise KeyboardInterrupt

child = multiprocessing.get_context("fork").Process(target=stop); child.start(); child.join()
assert child.exitcode == 1
""",
    )

    assert (ran.status, f"ValueError: to {MASKED}" in ran.stderr) == (0, True)
    ran.assert_no_phone()


HOOKS = {
    "sys.excepthook": ("sys", "excepthook", "raise ValueError('to +{phone}')"),
    "threading.excepthook": (
        "threading",
        "excepthook",
        "threading.Thread(target=int, args=('to +{phone}',)).start()",
    ),
    "sys.unraisablehook": (
        "sys",
        "unraisablehook",
        "class Contact:\n    def __del__(self): raise ValueError('to +{phone}')\nContact()",
    ),
}


@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_hooks_of_others_see_the_exception_too(sink: Sink, tmp_path: Path, name: str, when: str) -> None:
    """Their output to standard error is masked. A hook over ours calls it, as all hooks do."""
    module, hook, fail = HOOKS[name]
    theirs = f"""
def make(before):
    def theirs(*found):
        print("theirs saw it")
        print("raw +{PHONE}", file=sys.stderr)
        {"before(*found)" if when == "after" else ""}
    return theirs
{module}.{hook} = make({module}.{hook})
"""
    steps = [theirs, SET_UP] if when == "before" else [SET_UP, theirs.replace(f"raw +{PHONE}", "raw")]
    ran = run(sink, tmp_path, "\n".join(["import sys, threading", *steps, fail.format(phone=PHONE)]))

    assert ran.stdout.splitlines().count("theirs saw it") == 1
    assert len(ran.messages("uncaught")) == 1
    ran.assert_no_phone()


def test_sentry_sees_what_nobody_caught(sink: Sink, tmp_path: Path) -> None:
    """With its own transport, for what counts is what reaches it; its hooks were there first."""
    ran = run(
        sink,
        tmp_path,
        f"""
import atexit, sentry_sdk, threading

class Memory(sentry_sdk.Transport):
    def capture_envelope(self, envelope):
        event = envelope.get_event() or {{}}
        for value in event.get("exception", {{}}).get("values", ()):
            print("sentry:", value["type"])

sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Memory)
{SET_UP}
thread = threading.Thread(target=int, args=("x",)); thread.start(); thread.join()
raise KeyError("to +{PHONE}")
""",
    )

    assert [line for line in ran.stdout.splitlines() if line.startswith("sentry:")].count("sentry: KeyError") >= 1
    assert "sentry: ValueError" in ran.stdout
    assert len(ran.messages("uncaught")) == 2
    ran.assert_no_phone()


def test_threads_that_fail_at_one_moment_leave_standard_error_as_it_was(sink: Sink, tmp_path: Path) -> None:
    ran = run(
        sink,
        tmp_path,
        f"""
import sys, threading, time

turns = iter((0.3, 0.6))
def theirs(found):
    time.sleep(next(turns))
    print("raw +{PHONE}", file=sys.stderr)
threading.excepthook = theirs
{SET_UP}
errors = sys.stderr
threads = [threading.Thread(target=int, args=("x",)) for _ in range(2)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
assert sys.stderr is errors
""",
    )

    assert (ran.status, ran.stderr.count("raw ")) == (0, 2)
    ran.assert_no_phone()
