"""Export: encode items as OTLP, queue them, send them, and count the lost ones."""
