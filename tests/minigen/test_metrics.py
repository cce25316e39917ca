"""Figures are rounded as their interval says, and the interval covers the truth as often as it claims."""
import numpy as np
import pytest

from autograd import Tensor
from minigen.metrics import Figure, mean_interval


@pytest.mark.parametrize("figure, text", [
    (Figure("-ELBO", 96.71234, 0.8321, "nats", "k = 500"), "-ELBO  96.71 ± 0.83 nats  (k = 500)"),
    (Figure("NLL", 1234.5678, 12.3, "nats"), "NLL  1235 ± 12 nats"),
    (Figure("NLL", 1.23456789, 0.000123, "bits/dim"), "NLL  1.23457 ± 0.00012 bits/dim"),
    (Figure("error", 0.5, 0.0), "error  0.5 ± 0"),
    (Figure("NLL", 106.4213, unit="nats", note="exact"), "NLL  106.42 nats  (exact)"),
    (Figure("parameters", 17152), "parameters  17,152"),
    (Figure("bound", float("inf"), float("nan")), "bound  inf ± nan"),
])
def test_figure(figure, text):
    assert str(figure) == text


def test_interval():
    assert mean_interval([1, 2, 3]) == (2.0, pytest.approx(1.96 / np.sqrt(3)))
    assert mean_interval(Tensor([1.0, 2.0, 3.0])) == mean_interval(np.array([1.0, 2.0, 3.0]))
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(2000, 200))
    covered = [abs(mean - 1) < half for mean, half in map(mean_interval, values)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
    large = np.full(10_000, 1e4, np.float32) + np.arange(10_000, dtype=np.float32) % 2
    assert mean_interval(large)[0] == pytest.approx(10_000.5, abs=1e-9)  # summed in float64
    for wrong in ([1.0], [[1.0, 2.0]], 3.0):
        with pytest.raises(ValueError, match=r"mean_interval: values has shape .* expected \(n,\)"):
            mean_interval(wrong)
