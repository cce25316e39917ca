"""The noise schedule: the forward process q of a diffusion, step by step and in closed form, and its posterior.

    q(x_t | x_{t-1})      = N(sqrt(1 - beta_t) x_{t-1}, beta_t I)                                        (eq. 2)
    q(x_t | x_0)          = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I)                                (eq. 4)
    q(x_{t-1} | x_t, x_0) = N(mu_tilde_t(x_t, x_0), beta_tilde_t I)                                      (eq. 6)

    alpha_t = 1 - beta_t,   alpha_bar_t = alpha_1 alpha_2 ... alpha_t

T is the number of diffusion steps, and t runs 1..T as in the paper. Every table has T + 1 entries and is indexed with
that t; entry 0 is the image without noise: beta_0 = 0, alpha_bar_0 = 1. This is said here once and holds everywhere.

An x is an array or a Tensor (N, ...), of any shape per example; its t is an integer, or a NumPy array (N,) of them.

Sources: Ho, Jain & Abbeel 2020, "Denoising diffusion probabilistic models" (DDPM), whose equation numbers these are;
Nichol & Dhariwal 2021, "Improved DDPM" (the cosine schedule). Read before this: levels.py. Read next: predict.py.
"""
import math

import numpy as np

from .levels import CLEAN, Level, noised, posterior

BETA_MAX = 0.999  # a step that destroys everything could not be undone: alpha_t would be 0, and is divided by


class Schedule:
    """The tables of the variances beta_1..beta_T. Float64 NumPy arrays of T + 1 entries: beta, alpha, alpha_bar, and
    beta_tilde, the variance of the posterior (eq. 7), which is 0 at t = 1. told: what a network is told of each t; t
    itself, if left out."""

    def __init__(self, beta, told=None):
        beta = np.asarray(beta, np.float64)
        if beta.ndim != 1 or len(beta) == 0 or not np.all((beta > 0) & (beta < 1)):
            raise ValueError(f"Schedule: beta has shape {beta.shape} and values {beta.ravel()[:4]}..., expected (T,) "
                             "with T >= 1 and every beta_t above 0 and below 1")
        self.T = len(beta)
        self.told = np.arange(self.T + 1) if told is None else np.asarray(told)
        self.beta = np.concatenate([[0.0], beta])
        self.alpha = 1.0 - self.beta
        self.alpha_bar = np.cumprod(self.alpha)
        self.beta_tilde = np.zeros(self.T + 1)
        self.beta_tilde[1:] = self.posterior(np.arange(1, self.T + 1))[2]

    def q_sample(self, x_0, t, eps):
        """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, a draw of q(x_t | x_0) for eps ~ N(0, I) (eq. 4)."""
        level = self.level(t)
        if np.ndim(t) == 1 and len(t) != len(x_0):
            raise ValueError(f"t has shape {np.shape(t)}, expected one number, or one per example of {x_0.shape}")
        return noised(x_0, eps, level)

    def level(self, t) -> Level:
        """a = sqrt(alpha_bar_t) and s = sqrt(1 - alpha_bar_t), numbers or arrays of t's shape.

        TypeError or ValueError if t is not an integer from 1 to T, or an array (N,) of them.
        """
        t = np.asarray(t)
        if t.dtype.kind not in "iu":
            raise TypeError(f"t has dtype {t.dtype}, expected integers from 1 to T = {self.T}")
        if t.size and not (1 <= t.min() and t.max() <= self.T):
            raise ValueError(f"t runs from {t.min()} to {t.max()}, expected 1 to T = {self.T}")
        if t.ndim > 1:
            raise ValueError(f"t has shape {t.shape}, expected one number, or one per example")
        return Level(np.sqrt(self.alpha_bar[t]), np.sqrt(1.0 - self.alpha_bar[t]), self.told[t])  # course 9.1

    def levels(self, steps=None) -> list:
        """The way down in so many of the T steps, evenly spaced, all of them for None: steps + 1 levels."""
        return [*(Level(*(number.item() for number in self.level(t))) for t in self.subsequence(steps)[::-1]), CLEAN]

    def posterior(self, t, s=None):
        """q(x_s | x_t, x_0) = N(c_0 x_0 + c_t x_t, variance I) for 0 <= s < t; s is t - 1 if left out.

        Returns (c_0, c_t, variance), NumPy numbers or arrays of t's shape. For s = t - 1 they are eqs. 6 and 7; for
        other s the same formulas, with the steps from s to t taken as one: its alpha is alpha_bar_t / alpha_bar_s.
        """
        t = np.asarray(t)
        levels = [Level(np.sqrt(self.alpha_bar[i]), np.sqrt(1.0 - self.alpha_bar[i]), i)
                  for i in (t, t - 1 if s is None else s)]
        return posterior(*levels)[:3]

    def subsequence(self, steps=None):
        """`steps` of the numbers 1..T, evenly spaced, first and last among them: ascending integers, all for None."""
        steps = self.T if steps is None else steps
        if not 1 <= steps <= self.T:
            raise ValueError(f"steps is {steps}, expected 1 to T = {self.T}: the schedule has no more steps to take")
        return np.round(np.linspace(self.T, 1, steps)).astype(int)[::-1]

    def respaced(self, steps):
        """The process that takes only so many of the steps, as a Schedule of its own: Improved DDPM, section 4. Its
        networks are told the numbers that these steps have in the whole."""
        kept = np.concatenate([[0], self.subsequence(steps)])
        return Schedule(1.0 - self.alpha_bar[kept[1:]] / self.alpha_bar[kept[:-1]], self.told[kept])

    def __repr__(self):
        beta, alpha_bar_T = self.beta, self.alpha_bar[-1]
        return f"Schedule(T={self.T}, beta {beta[1]:.3g} .. {beta[-1]:.3g}, alpha_bar_T {alpha_bar_T:.3g})"


def linear_schedule(T=1000, beta_1=1e-4, beta_T=0.02):
    """beta_t in a straight line from beta_1 to beta_T: DDPM, section 4, where T = 1000.

    The two values mean a thousand steps. For another T they are multiplied by 1000 / T (and kept below BETA_MAX), so
    that the same noise has been added by the same fraction of the way.
    """
    _check_T(T, "linear_schedule")
    return Schedule(np.minimum(np.linspace(beta_1, beta_T, T) * (1000.0 / T), BETA_MAX))  # course 9.2


def cosine_schedule(T=1000, s=0.008):
    """alpha_bar_t = f(t) / f(0), f(t) = cos^2((t / T + s) / (1 + s) pi / 2): Improved DDPM, eq. 17.

    Slower than the linear one to destroy small images, and at the ends. s keeps beta_1 from vanishing.
    """
    _check_T(T, "cosine_schedule")
    f = np.cos((np.arange(T + 1) / T + s) / (1.0 + s) * (math.pi / 2.0)) ** 2  # course 9.2
    return Schedule(np.minimum(1.0 - f[1:] / f[:-1], BETA_MAX))


def _check_T(T, caller):
    if T < 2:
        raise ValueError(f"{caller}: T is {T}, expected at least 2 steps")
