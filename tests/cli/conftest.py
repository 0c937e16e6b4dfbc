"""Small real programs for the commands."""

from small_programs import free_port, left_running, server  # noqa: F401 - fixtures
