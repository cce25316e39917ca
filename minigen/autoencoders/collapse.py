"""Collapse: latents that say nothing, q(z_j | x) = p(z_j) for every x; how one counts them, and two cures.

A decoder that can do without z_j is best off without: the KL that z_j costs is saved. That is so at the beginning of
every training, when z_j is noise to a decoder that has learned nothing, and it may stay so.

    active           Var_x(E_q[z_j]) > 0.01                 Burda et al. 2016, section 5: the mean moves with x at all
    warm-up          beta from 0 to 1, times the KL         Bowman et al. 2016; Sonderby et al. 2016: z is free
                                                            to be used before it must be paid for
    free bits        sum_j max(lambda, E_x[KL_j])           Kingma et al. 2016, eq. 15: each z_j may cost lambda nats
                                                            anyhow, and nothing is won by less

Both change what is minimized and neither the model nor the bound that is reported. Symbols: N examples, Z latent,
lambda in nats, done how much of the training is over. Read before this: models/autoencoders/vae.py. Read next:
models/autoencoders/hierarchical_vae.py, examples/10_vaes/104_collapse.py.
"""
from functools import partial

from autograd import maximum
from autograd.batch import batch_mean

from ..metrics import Measure

ACTIVE = 0.01  # variance of the mean of a latent


def active_units(mu, name="latents in use") -> Measure:
    """How many of the latents are active, for the means mu (N, Z) of q(z | x) of many examples, NumPy."""
    used = int((mu.var(axis=0) > ACTIVE).sum())
    return Measure(name, used, None, "", f"of {mu.shape[1]}: variance of mu above {ACTIVE:g}")


def warm_up(share, most=1.0):
    """A weight of the KL: a function of `done`, from 0 up to `most` after this share of the training. ValueError for a
    share that is none."""
    if not 0 < share <= 1:
        raise ValueError(f"warm_up: share is {share}, expected a part of the training, above 0 and at most 1")
    return partial(_rise, share, most)


def _rise(share, most, done):
    return most * min(1.0, done / share)


def weight(beta, done):
    """What beta is when so much of the training is over: a number, or a function of done such as warm_up."""
    return beta(done) if callable(beta) else beta


def free_bits(kl, least):
    """sum_j max(lambda, KL_j), a scalar, for kl (N, Z) of a batch: eq. 15. least: lambda.

    The mean over the batch comes before the maximum: a latent may say much about one image and nothing about another,
    as long as it says something on the whole.
    """
    return maximum(batch_mean(kl), least).sum()  # course 12.5
