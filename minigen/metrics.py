"""Figures: a measured number together with what one must know to read it.

Read before this: nothing. Used by: every model's `evaluate`, and the command line, which prints them.
"""
import math
from dataclasses import dataclass

import numpy as np

from autograd import Tensor
from autograd.backend import to_numpy


@dataclass(frozen=True)
class Figure:
    """One result. half_width: half of its 95 % confidence interval, None where the value is exact.

    unit: "nats" or "bits/dim" (per example and per dimension), "" for a pure number. note: whatever else
    decides the value, e.g. "k = 500" or "exact".
    """

    name: str
    value: float
    half_width: float | None = None
    unit: str = ""
    note: str = ""

    def __str__(self):
        """For instance `-ELBO  96.71 ± 0.83 nats  (10 draws of z)`."""
        return f"{self.name}  {self.measure()}" + (f"  ({self.note})" if self.note else "")

    def measure(self) -> str:
        """Value, interval and unit, rounded to two significant digits of the interval."""
        if self.half_width is None:
            number = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.5g}"
        elif self.half_width > 0 and math.isfinite(self.half_width):
            decimals = max(0, 1 - math.floor(math.log10(self.half_width)))
            number = f"{self.value:.{decimals}f} ± {self.half_width:.{decimals}f}"
        else:
            number = f"{self.value:.5g} ± {self.half_width:g}"
        return f"{number} {self.unit}".rstrip()


def mean_interval(values) -> tuple[float, float]:
    """The mean of independent measurements and the half width of its 95 % interval, 1.96 s / sqrt(n).

    By the central limit theorem; s is the unbiased standard deviation. Raises ValueError for fewer than two
    values.
    """
    values = np.asarray(to_numpy(values.data if isinstance(values, Tensor) else values), dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"mean_interval: values has shape {values.shape}, expected (n,) with n >= 2")
    return float(values.mean()), float(1.96 * values.std(ddof=1) / math.sqrt(len(values)))
