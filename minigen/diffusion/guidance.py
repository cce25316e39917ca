"""Guidance: denoisers that are led to what is wanted. Each is a function from denoiser to denoiser, for any sampler.

    classifier-free    x_0 = (1 + w) D(x_t | y) - w D(x_t)                    Ho & Salimans 2021, eq. 6
    by a classifier    x_0 = D(x_t) + w s^2 / a  grad log p(y | x_t)          Dhariwal & Nichol 2021, algorithm 2

Both are Bayes' rule on scores, grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t), with w times the second
term: the score is (a x_0 - x_t) / s^2, so w grad log p(y | x_t) moves x_0 by w s^2 / a of it. In the first, no
classifier is needed: its gradient is what the two denoisers differ by. The paper's formula is on eps, which is linear
in x_0, so it is the same. w = 0 changes nothing. By a classifier, the unconditional D is led to p(x_t | y) by w = 1;
classifier-free, D(x_t | y) is there at w = 0, and led beyond.

A classifier must have been trained on noisy images: one that knows clean ones only has nothing to say of x_t.
Symbols: D a denoiser, y what is wanted, w how much. Read before this: predict.py. Read next: samplers.py.
"""
import numpy as np

from autograd import grad, parameter

from .levels import signal_and_noise


def classifier_free(conditional, unconditional, w):
    """The denoiser that goes from what is said without the condition beyond what is said with it."""
    return lambda x_t, level: (1.0 + w) * conditional(x_t, level) - w * unconditional(x_t, level)  # course 9.10


def check_guidance(caller, p_uncond, w):
    """ValueError unless p_uncond, the share that training tells nothing, is one, and w, of sampling, at least 0."""
    if not 0.0 < p_uncond < 1.0 or w < 0.0:
        raise ValueError(f"{caller}: p_uncond is {p_uncond}, expected between 0 and 1; w is {w}, expected at least 0, "
                         "which is the plain conditional model")


def by_classifier(denoise, log_p, w):
    """denoise, led uphill on a classifier's log_p(x_t Tensor, level) -> Tensor (N,), the log-probability of what is
    wanted for each image. ValueError where x_t is noise alone, a = 0, of which a classifier knows nothing."""

    def denoise_and_lead(x_t, level):
        if np.any(np.equal(level.a, 0)):
            raise ValueError("by_classifier: a is 0, and a classifier can say nothing of x_t, which is noise alone; "
                             "begin at a lower level")
        a, s = signal_and_noise(level, x_t)
        leaf = parameter(x_t)
        said = log_p(leaf, level)
        if said.shape != (len(x_t),):
            raise ValueError(f"by_classifier: log_p returned shape {said.shape}, expected ({len(x_t)},): for each "
                             "image the log-probability of what is wanted")
        uphill = grad(said.sum(), leaf).data
        return denoise(x_t, level) + w * s * s / a * uphill  # course 9.9

    return denoise_and_lead
