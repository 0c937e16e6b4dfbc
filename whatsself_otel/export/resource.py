"""The resource of all three signals: service, process and host, masked."""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource

from whatsself_otel.traces.current_span import DISTRO, DISTRO_NAME
from whatsself_otel.traces.processors import mask_attributes

if TYPE_CHECKING:
    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.masking import Masker


def build_resource(config: TelemetryConfig, masker: Masker) -> Resource:
    """
    Return the resource: the attributes of *config*, which include ``OTEL_RESOURCE_ATTRIBUTES``, then the SDK's.

    The SDK gives every worker its own ``service.instance.id``, and a forked child a new one.
    """
    own: dict[str, Any] = {
        **config.resource_attributes,
        "service.name": config.service_name,
        "service.namespace": config.service_namespace,
        "service.version": config.service_version,
        "deployment.environment.name": config.environment,
        DISTRO: DISTRO_NAME,
        "telemetry.distro.version": _own_version(),
    }
    resource = Resource.create({key: value for key, value in own.items() if value})
    return Resource(mask_attributes(resource.attributes, masker), resource.schema_url)


@functools.cache
def _own_version() -> str:
    return version("whatsself-otel")
