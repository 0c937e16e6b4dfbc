"""Every command that the pages show, and what proves it: a command that stands nowhere here fails its page."""

from __future__ import annotations

from markdown_pages import commands

from whatsself_otel import __version__

RUN_HERE = {
    "whatsself-otel --help": (0, "exit status:"),
    "whatsself-otel --version": (0, __version__),
    "whatsself-otel demo": (0, "Stack: python"),
    "whatsself-otel vendors list": (0, "honeycomb"),
    "whatsself-otel completion bash": (0, "_python_argcomplete"),
    "whatsself-otel vendors show honeycomb": (0, "HONEYCOMB_API_KEY"),
    "whatsself-otel vendors check local": (0, "local: ready"),
    "whatsself-otel vendors check honeycomb": (2, "HONEYCOMB_API_KEY"),
    "whatsself-otel rules build --form operator --output rules --set links.runbooks=https://wiki.example/runbooks.html"
    " --set links.dashboards=https://grafana.example/d": (0, "queue.yml"),
    "whatsself-otel audit staging.jsonl": (0, "nothing personal found"),
    # Without a key it must say so; with one and the real program: TIED.
    "whatsself-otel collector run --vendor local --vendor honeycomb": (2, "HONEYCOMB_API_KEY"),
}
"""Command, exit status and a part of its output, on a machine with only Python."""

_FIRST_STEPS = "tests/project/test_docs.py::TestFirstSteps::test_lead_to_ones_own_message_on_the_page"
_WHEEL = "tests/project/test_packaging.py::TestInstalled::test_first_steps_lead_from_the_wheel_to_ones_own_message"
_FIRST_BLOCK = "tests/project/test_first_block.py::test_the_first_block_works_where_there_is_no_python_by_that_name"
_ROAD = "tests/project/test_first_block.py::test_the_road_goes_on_and_each_step_says_what_it_needs"
_RUN_ONE = "tests/collector/test_vendor_switch.py::TestSaasVendor::test_gets_all_signals_with_its_headers"

_NO_CODE = [f"docs/no-code/{page}.md" for page in ("n8n", "typebot", "evolution", "waha")]
_WALKED = "tests/bridge/test_no_code_pages.py::test_each_page_leads_to_its_number"

TIED = {
    "celery --app tasks worker": (
        "tests/integrations/test_celery.py::TestTasks::test_of_a_pool_lose_nothing_when_the_worker_ends"
    ),
    "rq worker --config set_up": (
        "tests/integrations/test_rq.py::TestJobs::test_of_a_worker_keep_their_spans_logs_and_counts_in_one_series"
    ),
    **dict.fromkeys(
        (
            'pip install "wheels/whatsself_otel-0.2.0-py3-none-any.whl[demo]"',
            'pip install --no-index --find-links wheels "whatsself-otel[stack]"',
            "whatsself-otel stack up --detach",
            "whatsself-otel stack down",
        ),
        "tests/e2e/test_stack_by_pip.py::test_a_message_is_found_in_every_backend_and_nothing_is_left",
    ),
    **dict.fromkeys(
        commands("docs/security.md"),
        "tests/project/test_security_page.py::TestPage::test_token_and_certificate_change_and_nothing_is_lost",
    ),
    **dict.fromkeys(("whatsself-otel stack up --native", "whatsself-otel stack up --docker"), _ROAD),
    "whatsself-otel stack up": "tests/cli/test_stack.py::TestRealBackends::test_detached_from_up_to_down",
    "whatsself-otel collector run --vendor local --vendor honeycomb": _RUN_ONE,
    "whatsself-otel collector validate --vendor local": (
        "tests/cli/test_collector.py::TestRealCollector::test_validates_several_vendors_together"
    ),
    "whatsself-otel doctor": (
        "tests/backends/test_doctor_on_stack.py::TestStack::test_a_healthy_stack_gives_back_all_three_signals_masked"
    ),
    "whatsself-otel doctor --health-url http://127.0.0.1:8000/telemetry/health": (
        "tests/export/test_obstacles.py::test_the_command_asks_a_running_application"
    ),
    "whatsself-otel view": _FIRST_STEPS,
    **dict.fromkeys(
        (
            "whatsself-otel view --from stack",
            "whatsself-otel view --prometheus http://HOST:9090 --logs http://HOST:3100 --traces http://HOST:3200",
        ),
        "tests/viewer/test_view_command.py::TestViewOverOtherStores::test_shows_the_real_ones_and_leaves_no_note",
    ),
    "python -m uvicorn minimal:app": _FIRST_STEPS,
    'pip install ".[viewer]"': _WHEEL,
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318": _FIRST_STEPS,
    'python -c "import httpx; httpx.post('
    "'http://127.0.0.1:8000/messages/message-1?contact_id=contact-1').raise_for_status()\"": _FIRST_STEPS,
    **dict.fromkeys(("python3 -m venv .venv", ". .venv/bin/activate", 'pip install ".[demo]"'), _FIRST_BLOCK),
    'python -m pip install --upgrade ".[prometheus]"': _WHEEL,
    'python -m pip install ".[bridge]"': _WHEEL,
    **dict.fromkeys((each for page in _NO_CODE for each in commands(page)[2:]), _WALKED),
    "whatsself-otel bridge": (
        "tests/bridge/test_server.py::TestCommand::test_sigterm_answers_what_is_under_way_and_sends_the_telemetry"
    ),
    "whatsself-otel bridge --provider evolution --forward http://127.0.0.1:5678 --queue bridge-queue": (
        "tests/bridge/test_bridge_proof.py::test_a_hundred_webhooks_a_second_are_neither_lost_nor_doubled"
    ),
    "python -m pytest examples/test_reply.py": (
        "tests/project/test_examples.py::TestOwnTests::test_the_fixture_serves_the_tests_of_an_application"
    ),
    "gunicorn --chdir examples --workers 2 --preload --worker-class uvicorn_worker.UvicornWorker workers:app": (
        "tests/project/test_examples.py::TestWorkers::test_each_worker_sends_as_itself_and_loses_nothing_at_the_end"
    ),
}
"""Commands that need programs, or a running server, which not every machine has: the test that runs them."""

CHECKED = {
    "make demo": "tests/project/test_readme.py::TestMake::test_demo_runs_on_a_bare_machine",
    "make test": "tests/project/test_readme.py::TestMake::test_test_is_what_every_change_must_pass",
    "make stack": "tests/project/test_readme.py::TestMake::test_stack_is_the_command_that_is_named_beside_it",
    "make docs": "tests/project/test_docs.py::TestSite::test_is_built_without_a_warning_and_no_link_is_dead",
    "make versions": "tests/project/test_readme.py::TestMake::test_versions_is_what_every_change_must_pass_too",
    "make e2e": "tests/project/test_readme.py::TestMake::test_test_is_what_every_change_must_pass",
    "make wheels": "tests/project/test_makefile.py::TestPlainCommands::test_are_what_make_runs",
    'make wheels ARGS="--platform windows-x86_64 --platform linux-arm64 --platform macos-arm64"': (
        "tests/native/test_wheels.py::test_every_program_is_packed_for_every_platform"
    ),
    ".ci/run": "tests/project/test_readme.py::TestMake::test_test_is_what_every_change_must_pass",
}
"""Commands that run the tests themselves, or that a test compares with another command."""

_CLUSTER = [each for each in commands("docs/kubernetes.md") if each.startswith(("helm ", "kubectl "))]

NOT_RUN = {
    **dict.fromkeys(_CLUSTER, "no cluster was at hand: docs/evidence/unproven.md; tests/kubernetes reads them"),
    **dict.fromkeys(("py -m venv .venv", r".venv\Scripts\Activate.ps1"), "not run: docs/evidence/unproven.md"),
    "make coverage": "an hour of tests, run by hand; its report by tests/project/test_docs.py::TestCoverageReport",
}
"""Commands that no test runs, each with its reason."""

INSTALL = "python -m pip install ."


def proven() -> set[str]:
    """Every command that a page may show."""
    return {*RUN_HERE, *TIED, *CHECKED, *NOT_RUN, INSTALL}
