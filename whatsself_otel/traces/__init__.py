"""Spans: what makes them, what happens to each between the SDK and the queue, and what crosses to other hosts."""
