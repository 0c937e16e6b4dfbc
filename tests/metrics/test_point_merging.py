"""Two points of one series are what one instrument would have measured."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from rows import for_each

from whatsself_otel.metrics.point_merging import MAX_BUCKETS, merge_points

values = st.lists(st.floats(1e-6, 1e6) | st.just(0.0), min_size=1, max_size=20)


def record(values: list[float], *views: View) -> Any:
    """Return the one point of a histogram that has recorded *values*."""
    reader = InMemoryMetricReader()
    histogram = MeterProvider([reader], shutdown_on_exit=False, views=views).get_meter("m").create_histogram("h")
    for value in values:
        histogram.record(value)
    data = reader.get_metrics_data()
    assert data is not None
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    return point


def number(value: float, time_ns: int = 2, **attributes: str) -> NumberDataPoint:
    return NumberDataPoint(attributes, 1, time_ns, value)


def buckets_of(point: Any, scale: int) -> tuple[dict[int, int], dict[int, int]]:
    """Return the filled buckets of both signs at *scale*, at most as fine as the point's."""

    def at_scale(buckets: Any) -> dict[int, int]:
        found: dict[int, int] = {}
        for place, count in enumerate(buckets.bucket_counts):
            if count:
                index = (buckets.offset + place) >> (point.scale - scale)
                found[index] = found.get(index, 0) + count
        return found

    return at_scale(point.positive), at_scale(point.negative)


class TestNumbers:
    def test_of_a_sum_are_added(self) -> None:
        merged = merge_points(number(3, k="a"), number(4, k="b"), is_gauge=False)
        assert (merged.value, merged.attributes) == (7, {"k": "a"})

    @for_each("first_ns, second_ns, expected", [(2, 2, 4), (2, 3, 4), (3, 2, 3)])
    def test_of_a_gauge_are_replaced_by_the_newer(self, first_ns: int, second_ns: int, expected: int) -> None:
        merged = merge_points(number(3, first_ns, k="a"), number(4, second_ns, k="b"), is_gauge=True)
        assert (merged.value, merged.attributes) == (expected, {"k": "a"})


class TestHistograms:
    @given(values, values)
    def test_with_bounds_are_added(self, first: list[float], second: list[float]) -> None:
        merged = merge_points(record(first), record(second), is_gauge=False)
        whole = record(first + second)
        assert list(merged.bucket_counts) == list(whole.bucket_counts)
        assert (merged.count, merged.min, merged.max) == (whole.count, whole.min, whole.max)
        assert math.isclose(merged.sum, whole.sum, abs_tol=1e-6)

    @given(values, values)
    def test_with_exponential_buckets_are_added_at_the_coarser_scale(
        self, first: list[float], second: list[float]
    ) -> None:
        view = View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation())
        merged = merge_points(record(first, view), record(second, view), is_gauge=False)
        whole = record(first + second, view)
        scale = min(merged.scale, whole.scale)
        assert buckets_of(merged, scale) == buckets_of(whole, scale)
        assert (merged.count, merged.zero_count, merged.min) == (whole.count, whole.zero_count, whole.min)

    def test_far_apart_have_no_more_buckets_than_the_sdk_allows(self) -> None:
        view = View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation())
        merged = merge_points(record([1e-6], view), record([1e6], view), is_gauge=False)
        assert len(merged.positive.bucket_counts) <= MAX_BUCKETS
        assert sum(merged.positive.bucket_counts) == 2

    def test_of_other_bounds_are_refused(self) -> None:
        from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation

        view = View(instrument_name="h", aggregation=ExplicitBucketHistogramAggregation([1, 2]))
        with pytest.raises(ValueError, match="other bounds"):
            merge_points(record([1.0]), record([1.0], view), is_gauge=False)

    def test_and_numbers_are_refused(self) -> None:
        with pytest.raises(ValueError, match="two kinds"):
            merge_points(record([1.0]), number(1), is_gauge=False)
