"""``whatsself-otel trace ID``: one message's story as a tree with its logs, from whatever store has it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import CONTACT_ID
from whatsself_otel.cli.arguments import url
from whatsself_otel.cli.progress import busy
from whatsself_otel.cli.running_stack import running_addresses
from whatsself_otel.cli.terminal import print_json, say, show
from whatsself_otel.cli.trace_sources import Backend, ViewerSource
from whatsself_otel.language import translated
from whatsself_otel.masking import message_ref
from whatsself_otel.stack.errors import FAILED, MISSING, WRONG_USE, CommandError
from whatsself_otel.stack.log_stores import LogStores, Loki, VictoriaLogs
from whatsself_otel.stack.store_http import SourceError
from whatsself_otel.viewer.console_view import MessageStory, Paint, render_ids, render_logs, render_tree
from whatsself_otel.viewer.trace_stores import Jaeger, Tempo
from whatsself_otel.whatsapp.references import as_message_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.cli.trace_sources import Source
    from whatsself_otel.stack.addresses import Addresses

SOURCES: Final = ("viewer", "tempo", "jaeger")
_EXAMPLES: Final = """\
examples:
  whatsself-otel trace cm3k2v9x                     a requestId, contactId, messageId or trace id
  whatsself-otel trace cm3k2v9x --from jaeger       ask one store of traces only
  whatsself-otel trace cm3k2v9x --all --json        every trace of a contact, for programs

Without --from it asks whatever runs: the viewer, the native stack, or the stack in containers. Tempo and Jaeger hold
no log lines: those come from Loki or VictoriaLogs, whichever has them.
exit status: 0 shown, 1 nothing has this id, 2 wrong arguments, 3 no store answers
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``trace``."""
    parser = subparsers.add_parser(
        "trace",
        help="print one message's story: its trace as a tree, and its logs",
        description="Prints everything that is known about one message, from the viewer, or from Tempo or Jaeger "
        "with Loki or VictoriaLogs.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("id", metavar="ID", help="requestId, contactId, messageId (a wamid too) or trace id")
    parser.add_argument("--from", dest="source", choices=SOURCES, help="where to look (default: whatever runs)")
    parser.add_argument("--url", type=url, help="address of the store that --from names, if it is not the usual one")
    logs = parser.add_mutually_exclusive_group()
    logs.add_argument("--loki", type=url, metavar="URL", help="take the log lines from this Loki only")
    logs.add_argument("--victorialogs", type=url, metavar="URL", help="take the log lines from this VictoriaLogs only")
    parser.add_argument("--token", help="the viewer's token, if the viewer belongs to somebody else")
    parser.add_argument(
        "--all",
        action="store_true",
        help="every trace found, newest first, not only the one in which the id came first",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the stories of one id; fail if there are none."""
    wanted = message_ref(arguments.id.strip())
    if not 0 < len(wanted) <= 200:
        raise CommandError("ID must have 1 to 200 characters.", status=WRONG_USE)
    if arguments.url and not arguments.source:
        raise CommandError("--url needs --from, which says what listens there.", status=WRONG_USE)
    with busy("Asking the stores"):
        name, stories = _ask(list(_sources(arguments)), wanted, everything=arguments.all)
        if not stories:  # a provider's own id: telemetry holds its reference
            name, stories = _ask(list(_sources(arguments)), as_message_ref(wanted), everything=arguments.all)
    if not stories:
        raise CommandError(
            f"Nothing has the id {wanted}. It may not have arrived yet, or be older than what is kept.", status=FAILED
        )
    _show(name, wanted, stories, arguments)
    return 0


def _ask(sources: list[Source], wanted: str, *, everything: bool) -> tuple[str, list[MessageStory]]:
    """Return the stories of the first source that knows *wanted*."""
    problems = []
    for source in sources:
        try:
            traces = source.find(wanted)
            if traces:
                return source.name, _stories(source, wanted, traces, everything=everything)
        except SourceError as error:
            problems.append(str(error))
    if len(problems) == len(sources):
        remedy = "Start one: whatsself-otel view, or whatsself-otel stack up."
        raise CommandError(" ".join(["No store answers.", *problems, remedy]), status=MISSING)
    return "", []


def _stories(source: Source, wanted: str, traces: list[str], *, everything: bool) -> list[MessageStory]:
    """Return every story, or one: the newest of a contact, the first of any other id."""
    if everything or len(traces) == 1:
        return [source.story(trace) for trace in traces]
    first = source.story(traces[-1])
    is_contact = wanted in first.ids.get(CONTACT_ID, ())
    which = "newest" if is_contact else "first"
    say(f"{len(traces)} traces have this id; this is the {which}. --all shows every one.", aside=True)
    return [source.story(traces[0]) if is_contact else first]


def _sources(arguments: argparse.Namespace) -> Iterator[Source]:
    """Yield where to ask, in order."""
    addresses = running_addresses()
    if arguments.source in {None, "viewer"}:
        viewer = ViewerSource.find_running(url=arguments.url, token=arguments.token)
        if viewer is not None:
            yield viewer
    logs = _log_stores(arguments, addresses)
    if arguments.source in {None, "tempo"}:
        yield Backend(Tempo(arguments.url or addresses.tempo), logs)
    if arguments.source in {None, "jaeger"}:
        yield Backend(Jaeger(arguments.url or addresses.jaeger), logs)


def _log_stores(arguments: argparse.Namespace, addresses: Addresses) -> LogStores:
    if arguments.loki:
        return LogStores((Loki(arguments.loki),))
    if arguments.victorialogs:
        return LogStores((VictoriaLogs(arguments.victorialogs),))
    return LogStores((Loki(addresses.loki), VictoriaLogs(addresses.victorialogs)))


def _show(name: str, wanted: str, stories: list[MessageStory], arguments: argparse.Namespace) -> None:
    if arguments.json:
        traces = [story.as_json() for story in stories]
        print_json("trace", **{"id": wanted, "from": name, "traces": traces})
        return
    paint = Paint.for_stream(sys.stdout)
    for story in stories:
        show("\n".join(["", *render_ids(story, paint), "", *render_tree(story.spans, paint), ""]))
        show("\n".join(render_logs(story, paint)))
    show(paint.dim(f"\n{translated(f'from {name}')}"))
