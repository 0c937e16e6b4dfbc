"""Forked processes: reset a child's state, and hand a child's data over to its worker."""
