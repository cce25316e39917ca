"""Latents that say nothing are counted, and the two cures do what their equations say."""
import pickle

import numpy as np
import pytest

from autograd import grad, maximum, parameter
from minigen.autoencoders import active_units, free_bits, warm_up


def test_active_units_are_those_whose_mean_moves():
    mu = np.random.default_rng(0).standard_normal((5000, 4)) * np.sqrt([1.0, 0.02, 0.005, 0.0]) + [0, 0, 7, 3]
    measure = active_units(mu)
    assert measure.value == 2 and str(measure) == "latents in use  2  (of 4: variance of mu above 0.01)"


def test_warm_up_rises_and_stays():
    beta = warm_up(0.25, most=2.0)
    assert [beta(done) for done in (0.0, 0.125, 0.25, 1.0)] == [0.0, 1.0, 2.0, 2.0]
    assert pickle.loads(pickle.dumps(beta))(0.125) == 1.0  # models are copied whole
    for share in (0, 1.5, -1):
        with pytest.raises(ValueError, match=f"warm_up: share is {share}, expected a part of the training"):
            warm_up(share)


KL = np.array([[0.0, 0.1, 2.0], [1.0, 0.1, 1.0]])  # of two images, three latents


def check_free_bits(free_bits):
    """Latent 1 says 0.1 nats of every image and is not pushed; latent 0 says 1 of one and 0 of the other: 0.5."""
    kl = parameter(KL)
    paid = free_bits(kl, 0.4)
    assert paid.item() == pytest.approx(0.5 + 0.4 + 1.5)
    np.testing.assert_allclose(grad(paid, kl).numpy(), [[0.5, 0, 0.5], [0.5, 0, 0.5]])


def test_free_bits_by_hand():
    check_free_bits(free_bits)
    assert free_bits(parameter(KL), 0.0).item() == pytest.approx(KL.sum(axis=1).mean())


@pytest.mark.parametrize("broken", [
    lambda kl, least: maximum(kl, least).mean(axis=0).sum(),  # image by image
    lambda kl, least: maximum(kl.sum(axis=1).mean(), 3 * least),  # of all latents together
    lambda kl, least: kl.mean(axis=0).sum() - 3 * least])  # given away: nothing changes
def test_broken_free_bits_are_noticed(broken):
    with pytest.raises(AssertionError):
        check_free_bits(broken)
