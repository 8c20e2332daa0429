"""Intervals and sample sizes equal the exact definitions, which scipy computes by other means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, hypergeom

from monitor.casework.intervals import Share, chance_of_none, most_if_none, percent, sample_size, wilson

CONFIDENCES = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@given(st.integers(1, 400), st.data(), CONFIDENCES)
def test_the_wilson_interval_is_that_of_scipy(of: int, data: st.DataObject, confidence: float):
    found = data.draw(st.integers(0, of))
    low, high = wilson(Share(found, of), confidence=confidence)
    expected = binomtest(found, of).proportion_ci(confidence, method="wilson")
    assert low == pytest.approx(expected.low, abs=1e-9)
    assert high == pytest.approx(expected.high, abs=1e-9)
    assert 0 <= low <= found / of <= high <= 1


@given(st.integers(1, 60), st.data())
def test_a_sample_without_replacement_misses_with_the_hypergeometric_chance(population: int, data: st.DataObject):
    sample, hits = data.draw(st.integers(0, population)), data.draw(st.integers(0, population))
    expected = hypergeom(population, hits, sample).pmf(0)
    assert chance_of_none(sample, population, hits) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 300), st.sampled_from([0.01, 0.05, 0.1, 0.3]), CONFIDENCES)
def test_the_sample_size_is_the_smallest_that_proves_it(population: int, tolerable: float, confidence: float):
    size = sample_size(tolerable=tolerable, confidence=confidence, population=population)
    # The fewest hits that reach the tolerable share, counted in whole hundredths.
    hits = -(-round(tolerable * 100) * population // 100)
    assert 1 <= size <= population
    assert hypergeom(population, hits, size).pmf(0) <= 1 - confidence + 1e-12
    if size > 1:
        assert hypergeom(population, hits, size - 1).pmf(0) > 1 - confidence - 1e-12


@given(st.integers(1, 300), CONFIDENCES)
def test_none_found_in_a_proving_sample_bounds_the_share_below_what_it_was_sized_for(
    population: int, confidence: float
):
    size = sample_size(tolerable=0.05, confidence=confidence, population=population)
    assert most_if_none(size, confidence=confidence, population=population) < 0.05


@given(st.sampled_from([0.01, 0.02, 0.05, 0.2]), CONFIDENCES)
def test_an_endless_population_needs_the_most(tolerable: float, confidence: float):
    size = sample_size(tolerable=tolerable, confidence=confidence)
    assert (1 - tolerable) ** size <= 1 - confidence < (1 - tolerable) ** (size - 1)
    assert size >= sample_size(tolerable=tolerable, confidence=confidence, population=5_000)
    assert most_if_none(size, confidence=confidence) <= tolerable


def test_none_of_59_proves_less_than_5_per_cent_at_95():
    assert sample_size(tolerable=0.05) == 59
    assert most_if_none(59) < 0.05 < most_if_none(58)


@given(st.integers(1, 5_000), st.data())
def test_a_share_is_never_shown_as_none_or_all_unless_it_is(of: int, data: st.DataObject):
    found = data.draw(st.integers(0, of))
    assert (percent(found, of) == "0 %") == (found == 0)
    assert (percent(found, of) == "100 %") == (found == of)


@pytest.mark.parametrize(("tolerable", "confidence"), [(0, 0.95), (1, 0.95), (0.05, 0), (0.05, 1)])
def test_a_share_or_confidence_of_none_or_all_is_refused(tolerable: float, confidence: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        sample_size(tolerable=tolerable, confidence=confidence)
