"""Flows of a posterior: their determinants by the engine's Jacobian, a density that is one, and a banana to fit."""
import math

import numpy as np
import pytest

from autograd import Tensor, as_tensor, exp, grad, no_grad, parameter, stack
from autograd.backend import asarray, normal, rng
from minigen.densities import log_normal, log_normal_fixed, log_standard_normal
from minigen.flows import posterior
from minigen.flows.posterior import IAF, Planar
from minigen.nn.masked import MaskedMLP
from minigen.optim import Adam, cosine_decay

LAYERS = [Planar, IAF]


def bent(layer, scale=0.5, seed=5):
    """The layer with parameters far from their initial values."""
    noise = rng(seed)
    for p in layer.parameters():
        p.data += asarray(scale * noise.standard_normal(p.shape, dtype=np.float32))
    return layer


def jacobian(layer, z, h):
    """dz_T / dz_0 (Z, Z) of one draw z (Z,)."""
    z0 = parameter(z.reshape(1, 1, -1))
    z_T = layer(z0, h)[0]
    return np.stack([grad(layer(z0, h)[0][0, 0, i], z0).numpy()[0, 0] for i in range(z_T.shape[2])])


def check_determinants(layer):
    for seed in range(5):
        z, h = rng(seed).standard_normal(4), Tensor(rng(seed + 9).standard_normal((1, 3)))
        with no_grad():
            logdet = layer(as_tensor(z.reshape(1, 1, 4)), h)[1].item()
        assert logdet == pytest.approx(np.linalg.slogdet(jacobian(layer, z, h))[1], abs=1e-4)


def check_density(layer):
    """E_q[r / q] = 1 for any density r: here a diagonal Gaussian in the midst of the flow's draws, narrower."""
    n, h = 40_000, Tensor(rng(3).standard_normal((1, 3)).astype(np.float32))
    z0 = normal(rng(4), (1, n, 2))
    with no_grad():
        z, logdet = layer(as_tensor(z0), h)
        log_q = log_standard_normal(z0).sum(axis=2) - logdet
        mean, std = z.numpy()[0].mean(axis=0), z.numpy()[0].std(axis=0)
        ratio = np.exp((log_normal_fixed(z, mean, 0.5 * std).sum(axis=2) - log_q).numpy()[0])
    assert ratio.std() > 0.1 and abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(n)


@pytest.mark.parametrize("cls", LAYERS)
def test_the_determinant_is_that_of_the_jacobian(cls):
    check_determinants(bent(cls(4, 3, rng=rng(0))))


@pytest.mark.parametrize("cls", LAYERS)
def test_the_density_is_one(cls):
    check_density(bent(cls(2, 3, rng=rng(0)), 0.1))


class OtherSign(IAF):
    def forward(self, z, h):
        z, logdet = super().forward(z, h)
        return z, -logdet


class FirstStepOnly(IAF):
    """The determinant of the first step, in the place of the sum over all."""

    def forward(self, z, h):
        return super().forward(z, h)[0], type(self).__base__.forward(_first(self), z, h)[1]


def _first(layer):
    one = IAF(2, 3, steps=1, rng=rng(0))
    one.networks = layer.networks.__class__([layer.networks[0]])
    return one


class SeesItself(MaskedMLP):
    """The output mask lets a number see the units of its own degree."""

    def __init__(self, *arguments, rng):
        super().__init__(*arguments, rng=rng)
        self.masks[-1] = np.ones_like(self.masks[-1])


@pytest.mark.parametrize("cls", [OtherSign, FirstStepOnly])
def test_a_wrong_determinant_is_noticed(cls):
    with pytest.raises(AssertionError):
        check_density(bent(cls(2, 3, rng=rng(0)), 0.1))


def test_a_network_that_sees_itself_is_noticed(monkeypatch):
    monkeypatch.setattr(posterior, "MaskedMLP", SeesItself)
    with pytest.raises(AssertionError):
        check_determinants(bent(IAF(4, 3, rng=rng(0))))


def test_planar_maps_that_fold_are_noticed(monkeypatch):
    """u as it comes, and not u_hat: 1 + u^T psi passes through 0, and then one z has two z_0."""
    monkeypatch.setattr(posterior, "invertible", lambda w, u: (u, (w * u).sum(axis=-1, keepdims=True)))
    with np.errstate(invalid="ignore"), pytest.raises(AssertionError):
        check_density(bent(Planar(2, 3, rng=rng(0)), 1.0))


def test_the_jacobian_of_a_step_is_triangular_in_its_order():
    layer = bent(IAF(4, 3, steps=1, rng=rng(0)))
    h = Tensor(rng(1).standard_normal((1, 3)))
    J = jacobian(layer, rng(2).standard_normal(4), h)
    assert np.all(np.triu(J, 1) == 0) and np.all(np.diag(J) > 0) and np.abs(J[np.tril_indices(4, -1)]).min() > 1e-6


@pytest.mark.parametrize("cls", LAYERS)
def test_every_number_sees_the_context_and_draws_are_apart(cls):
    """h reaches z_1 too; an example's draws see its h, and each of them no other draw."""
    layer = bent(cls(3, 2, rng=rng(0)))
    z = as_tensor(rng(1).standard_normal((1, 5, 3)))
    with no_grad():
        here, there = (layer(z, Tensor(np.full((1, 2), value)))[0].numpy() for value in (0.0, 1.0))
        assert np.abs(here - there).max(axis=(0, 1)).min() > 1e-3
        two = layer(as_tensor(np.concatenate([z.numpy(), z.numpy()])), Tensor(np.array([[0.0] * 2, [1.0] * 2])))[0].numpy()
        np.testing.assert_allclose(two, np.concatenate([here, there]), atol=1e-6)
        np.testing.assert_allclose(layer(z[:, 3:4], Tensor(np.zeros((1, 2))))[0].numpy(), here[:, 3:4], atol=1e-6)


def banana(z):
    """log p of z1 ~ N(0, 1), z2 | z1 ~ N(z1^2 - 1, 0.5^2), (N, k)."""
    z1, z2 = z[..., 0], z[..., 1]
    return log_standard_normal(z1) + log_normal_fixed(z2, z1 * z1 - 1.0, 0.5)


def gap(layer, steps):
    """KL(q || p) for the banana, after so many steps on it."""
    mu, logvar, h = parameter(np.zeros(2)), parameter(np.zeros(2)), Tensor(np.ones((1, 1), np.float32))
    noise = rng(1)

    def kl(n):
        z0 = mu + exp(0.5 * logvar) * normal(noise, (1, n, 2))
        z, logdet = layer(z0, h) if layer else (z0, 0.0)
        return (log_normal(z0, mu, logvar).sum(axis=2) - logdet - banana(z)).mean()

    optimizer = Adam([mu, logvar, *(layer.parameters() if layer else [])], cosine_decay(2e-2))
    for step in range(steps):
        optimizer.step(grad(kl(200), optimizer.params), done=step / steps)
    with no_grad():
        return kl(20_000).item()


def test_a_banana_is_fitted_better_than_by_a_gaussian():
    gaussian = gap(None, 300)
    assert gaussian > 0.5
    for layer in Planar(2, 1, K=8, rng=rng(0)), IAF(2, 1, steps=3, hidden=(16,), rng=rng(0)):
        assert gap(layer, 300) < 0.4 * gaussian


@pytest.mark.parametrize("make, message", [
    (lambda: Planar(2, 3, K=0, rng=rng(0)), "Planar: K is 0, expected at least one layer"),
    (lambda: IAF(2, 3, steps=0, rng=rng(0)), "IAF: steps is 0, expected at least one"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_one_latent_will_do():
    for layer in Planar(1, 2, rng=rng(0)), IAF(1, 2, rng=rng(0)):
        z, logdet = layer(as_tensor(np.zeros((3, 4, 1))), Tensor(np.zeros((3, 2))))
        assert z.shape == (3, 4, 1) and logdet.shape == (3, 4)
    assert stack([logdet, logdet]).shape == (2, 3, 4)
