"""Spans: their creation, their way from the SDK to the queue, and the context sent to other hosts."""
