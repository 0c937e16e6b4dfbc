"""Small real programs for the supervisor."""

from small_programs import free_port, journal, left_running, server  # noqa: F401 - fixtures
