"""
Job queues: jobs carry trace and ids, and the end of a job or a worker loses nothing.

    setup_telemetry()
    instrument_celery()
"""

from whatsself_otel.integrations.arq import instrument_arq
from whatsself_otel.integrations.celery import instrument_celery
from whatsself_otel.integrations.jobs import finish, run_job
from whatsself_otel.integrations.pywa import instrument_pywa
from whatsself_otel.integrations.rq import instrument_rq

__all__ = ["finish", "instrument_arq", "instrument_celery", "instrument_pywa", "instrument_rq", "run_job"]
