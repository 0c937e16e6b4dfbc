"""Mask metrics once for OTLP and ``/metrics``: nothing personal leaves, and no two points share a series."""

from __future__ import annotations

import dataclasses
import operator
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource

from whatsself_otel.catalogue import Kind
from whatsself_otel.messages import OwnLogger
from whatsself_otel.metrics.point_merging import merge_points
from whatsself_otel.metrics.prometheus_names import prometheus_labels, prometheus_name, safe_attribute, safe_metric
from whatsself_otel.remembered import ByIdentity
from whatsself_otel.traces.processors import mask_attributes, mask_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from whatsself_otel.masking import Masker

_logger: Final = OwnLogger(__name__)

TARGET_INFO: Final = "target_info"
"""The metric that carries the resource in Prometheus."""


@dataclass(slots=True)
class Losses:
    """
    Points and exemplars that one export left out.

    Args:
        points: Data points.
        exemplars: Exemplars of points that left without them.
        last: The last error's type and the metric's name; None: nothing was left out.
        too_large: Data points of more bytes than a backend takes.
    """

    points: int = 0
    exemplars: int = 0
    last: str | None = None
    too_large: int = 0

    def add(self, error: Exception, metric: str, *, points: int = 0, exemplars: int = 0) -> None:
        """Count the losses that *error* caused for the metric of this masked name."""
        self.points += points
        self.exemplars += exemplars
        self.last = f"{type(error).__name__} in {metric}"


class MetricIdentity(NamedTuple):
    """The properties by which OpenTelemetry tells two metrics apart."""

    scope: InstrumentationScope
    name: str
    unit: str
    kind: Kind | None
    """None: a sum that may fall."""


def sample_names(name: str, kind: Kind | None) -> tuple[str, ...]:
    """Return the names of a metric's samples in Prometheus; its *name* there comes first."""
    if kind is Kind.HISTOGRAM:
        return name, f"{name}_bucket", f"{name}_count", f"{name}_sum"
    return (name, name.removesuffix("_total")) if kind is Kind.COUNTER else (name,)


class MetricNames:
    """
    The metric behind each Prometheus name; all readers of a process share it, so that they agree.

    The first metric of a name keeps its series as they are. Those of each further one carry its scope's name.
    """

    def __init__(self) -> None:
        self._owners: dict[object, MetricIdentity | None] = {(TARGET_INFO,): None}
        self._said: set[MetricIdentity] = set()

    def claim(self, identity: MetricIdentity) -> dict[str, str]:
        """Return the attributes that keep the series of *identity* apart from those of another metric."""
        name = prometheus_name(identity.name, unit=identity.unit, kind=identity.kind)
        samples = sample_names(name, identity.kind)
        for attributes in _distinctions(identity):
            claims = [(sample, *attributes.items()) for sample in samples]
            if all(self._owners.setdefault(claim, identity) == identity for claim in claims):
                break
        if attributes and identity not in self._said:
            self._said.add(identity)
            _logger.warning(
                "The metric %s of the meter %s has the name of another metric in Prometheus; its series carry %s. "
                "Rename one of the two.",
                identity.name,
                identity.scope.name,
                ", ".join(attributes),
            )
        return attributes


def _distinctions(identity: MetricIdentity) -> Iterator[dict[str, str]]:
    yield {}
    of_scope = {"otel.scope.name": identity.scope.name}
    if identity.scope.name:
        yield of_scope
    if identity.scope.version:
        yield {**of_scope, "otel.scope.version": identity.scope.version}
    for number in count(2):
        yield {**of_scope, "otel.metric.name": f"{identity.name} {number}"}


def kind_of(data: Any) -> Kind | None:
    """Return the kind of a metric's *data*; None: a sum that may fall."""
    if isinstance(data, Histogram | ExponentialHistogram):
        return Kind.HISTOGRAM
    if isinstance(data, Sum):
        return Kind.COUNTER if data.is_monotonic else None
    return Kind.GAUGE


class MetricMasker:
    """
    Masks the metrics of one reader. It masks the attributes of each series once.

    Names that a backend would refuse or overwrite are replaced, and points that become one series are added.

    Args:
        masker: What hides personal data.
        names: Which metric has which name; shared by the readers of a process.
    """

    def __init__(self, masker: Masker, names: MetricNames) -> None:
        self._masker = masker
        self._resources: ByIdentity[Resource, Resource] = ByIdentity(_safe_resource)
        self._scopes = ByIdentity[Any, _Scope](lambda scope: _Scope(scope, masker, names))

    def mask(self, data: MetricsData, losses: Losses) -> MetricsData:
        """Return *data* masked; a point that cannot be masked is left out and added to *losses*."""
        self._resources.begin_round()
        self._scopes.begin_round()
        return MetricsData([self._resource(each, losses) for each in data.resource_metrics])

    def _resource(self, original: ResourceMetrics, losses: Losses) -> ResourceMetrics:
        scopes = [masked for each in original.scope_metrics if (masked := self._scope(each, losses)) is not None]
        return ResourceMetrics(
            self._resources.get(original.resource), scopes, self._masker.text(original.schema_url or "")
        )

    def _scope(self, original: ScopeMetrics, losses: Losses) -> ScopeMetrics | None:
        try:
            known = self._scopes.get(original.scope)
        except Exception as error:  # noqa: BLE001 - whatever a foreign meter is called
            points = sum(len(metric.data.data_points) for metric in original.metrics)
            losses.add(error, "a meter", points=points)
            return None
        return ScopeMetrics(known.scope, known.mask(original.metrics, losses), known.scope.schema_url or "")


class _Scope:
    """The metrics of one meter."""

    def __init__(self, scope: InstrumentationScope, masker: Masker, names: MetricNames) -> None:
        self.scope = mask_scope(scope, masker)
        self._masker = masker
        self._names = names
        self._families: dict[object, _Family] = {}

    def mask(self, metrics: Iterable[Metric], losses: Losses) -> list[Metric]:
        """Return *metrics* masked; metrics of one identity become one."""
        found: dict[_Family, tuple[Metric, dict[object, Any]]] = {}
        for metric in metrics:
            try:
                family = self._family(metric)
            except Exception as error:  # noqa: BLE001 - whatever a foreign metric is called
                losses.add(error, "a metric", points=len(metric.data.data_points))
                continue
            if family not in found:
                family.begin_round()
            family.add(metric, found.setdefault(family, (metric, {}))[1], losses)
        return [family.build(metric, points) for family, (metric, points) in found.items() if points]

    def _family(self, metric: Metric) -> _Family:
        key = metric.name, metric.unit, kind_of(metric.data)
        family = self._families.get(key)
        if family is None:
            name = safe_metric(self._masker.text(metric.name))
            unit = self._masker.text(metric.unit or "")
            identity = MetricIdentity(self.scope, name, unit, key[2])
            description = self._masker.text(metric.description or "")
            family = _Family((name, description, unit), self._masker, self._names.claim(identity))
            self._families[key] = family
        return family


class _Series(NamedTuple):
    attributes: Mapping[str, Any]
    """Masked data; the SDK's own object if nothing changed."""
    labels: frozenset[tuple[str, str]]
    """Its labels in Prometheus."""


class _Family:
    """The series of one metric."""

    def __init__(self, texts: tuple[str, str, str], masker: Masker, distinction: Mapping[str, str]) -> None:
        self._name, self._description, self._unit = texts
        self._masker = masker
        self._distinction = distinction
        self._series: ByIdentity[Any, _Series] = ByIdentity(self._clean)
        self.begin_round = self._series.begin_round

    def add(self, metric: Metric, points: dict[object, Any], losses: Losses) -> None:
        """Put the points of *metric* into *points*, by series."""
        is_gauge = isinstance(metric.data, Gauge)
        for point in metric.data.data_points:
            try:
                series = self._series.get(point.attributes)
                clean = self._point(point, series, losses)
                earlier = points.get(series.labels)
                if earlier is not None:
                    clean = merge_points(earlier, clean, is_gauge=is_gauge)
                points[series.labels] = clean
            except Exception as error:  # noqa: BLE001 - whatever an application puts into a metric
                losses.add(error, self._name, points=1)

    def build(self, metric: Metric, points: dict[object, Any]) -> Metric:
        """Build *metric* with *points*; the same object if nothing changed."""
        clean = list(points.values())
        original: Sequence[Any] = metric.data.data_points
        is_whole = len(clean) == len(original) and all(map(operator.is_, clean, original))
        if is_whole and self._name == metric.name and self._description == (metric.description or ""):
            return metric
        return Metric(self._name, self._description, self._unit, with_points(metric.data, clean))

    def _clean(self, attributes: Mapping[str, Any] | None) -> _Series:
        masked: Mapping[str, Any] = _safe_names(mask_attributes(attributes, self._masker))
        if self._distinction:
            masked = {**masked, **self._distinction}
        clean = masked if attributes is None or masked != attributes else attributes
        return _Series(clean, frozenset(prometheus_labels(clean).items()))

    def _point(self, point: Any, series: _Series, losses: Losses) -> Any:
        exemplars = point.exemplars
        if any(each.filtered_attributes for each in exemplars):
            exemplars = list(self._exemplars(exemplars, losses))
        elif series.attributes is point.attributes:
            return point
        return dataclasses.replace(point, attributes=series.attributes, exemplars=exemplars)

    def _exemplars(self, exemplars: Iterable[Any], losses: Losses) -> Iterator[Any]:
        for exemplar in exemplars:
            try:
                masked = mask_attributes(exemplar.filtered_attributes, self._masker)
                yield dataclasses.replace(exemplar, filtered_attributes=masked)
            except Exception as error:  # noqa: BLE001 - an exemplar is not worth its point
                losses.add(error, self._name, exemplars=1)


def with_points(data: Any, points: list[Any]) -> Any:
    """Return *data* of a metric with other *points*."""
    if isinstance(data, Gauge):
        return Gauge(points)
    if isinstance(data, Sum):
        return Sum(points, data.aggregation_temporality, data.is_monotonic)
    return type(data)(points, data.aggregation_temporality)


def _safe_resource(resource: Resource) -> Resource:
    """Return *resource* with attribute names that Prometheus can hold: each is a label of ``target_info``."""
    attributes = _safe_names(resource.attributes)
    return resource if attributes is resource.attributes else Resource(attributes, resource.schema_url)


def _safe_names(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    if all(safe_attribute(name) == name for name in attributes):
        return attributes
    safe: dict[str, Any] = {}
    for name, value in attributes.items():
        free = safe_attribute(name)
        while free != name and (free in attributes or free in safe):
            free = f"exported_{free}"
        safe[free] = value
    return safe


def count_points(data: MetricsData) -> int:
    """Return how many data points *data* has."""
    scopes = chain.from_iterable(resource.scope_metrics for resource in data.resource_metrics)
    return sum(len(metric.data.data_points) for scope in scopes for metric in scope.metrics)
