"""What a command may leave running."""

from leftovers import left_running  # noqa: F401 - a fixture
