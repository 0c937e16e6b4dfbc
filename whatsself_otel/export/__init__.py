"""What leaves the process: encoded as OTLP, queued, sent, and counted when it is lost."""
