"""KL autoencoder and latent diffusion: the loss is a Gaussian's -ELBO, the scale of the latents is one, and the three
traps, each with a broken model in which the check finds it."""
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from autograd import Tensor, as_tensor, backend, exp
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Dataset, Space
from minigen.densities import kl_standard_normal, log_normal_fixed
from minigen.diffusion import FirstStage, clipped, cosine_schedule, ddim, denoiser
from minigen.models.autoencoders import KLAutoencoder
from minigen.models.codes import VQVAE
from minigen.models.diffusion import LatentDiffusion
from minigen.nn import Frozen, Linear, Module, UNet
from minigen.optim import adam, cosine_decay
from minigen.quantize import EMACodebook
from minigen.train import Run, one_stage

RESUMPTION = runpy.run_path(str(Path(__file__).with_name("resumption.py")))
SPACE, CLASSES = Space((1, 8, 8), 17), Space((), 10)


def images(n, seed=0):
    """Bars, of which a grid of 4 x 4 can tell something."""
    rng = backend.rng(seed)
    x = np.zeros((n, 1, 8, 8), np.uint8)
    for picture, row in zip(x, rng.integers(0, 7, n)):
        picture[0, row : row + 2] = rng.integers(8, 17)
    return x


def kl_autoencoder(weight=1e-3, seed=0):
    return KLAutoencoder(SPACE, channels=3, width=8, halvings=1, weight=weight, rng=backend.rng(seed))


def vqvae():
    return VQVAE(SPACE, EMACodebook(16, 3, rng=backend.rng(0)), width=8, halvings=1, rng=backend.rng(0)).scaled_by(
        images(50))


@pytest.fixture(scope="module", params=[kl_autoencoder, vqvae])
def autoencoder(request):
    """Trained a little, and then made loud: its latents are far from size one."""
    model = request.param()
    run = Run(one_stage(model, adam(3e-3), 60, batch_size=32), dataset(), rng=backend.rng(1))
    while not run.over:
        run.advance()
    return Frozen(loud(model))


def loud(model, gain=5.0):
    """The same autoencoder with latents that are larger by gain."""
    last, first = model.encoder.layers[-1], model.decoder.layers[0]
    if isinstance(model, KLAutoencoder):
        half = len(last.bias) // 2
        last.weight.data[:half] *= gain
        last.bias.data[:half] *= gain
        last.bias.data[half:] += 2 * math.log(gain)
        first.weight.data[...] /= gain
    else:
        for array in (last.weight.data, last.bias.data, model.codebook.embedding):
            array[...] *= gain
        first.weight.data[...] /= gain
    return model


def dataset():
    x = images(200)
    return Dataset("bars", "train", {"x": x, "y": np.arange(200) % 10}, {"x": SPACE, "y": CLASSES}, "bars")


def build(first_stage, network=None, model=LatentDiffusion, **arguments):
    network = network or UNet(first_stage.shape[0], width=8, multipliers=(1,), blocks=1, groups=4, condition=10,
                              rng=backend.rng(0))
    return model(first_stage, network, cosine_schedule(100), CLASSES, **{"steps": 10, **arguments})


# The KL autoencoder


def test_its_loss_is_the_negative_elbo_of_a_gaussian_decoder_up_to_scale():
    """L D / (2 s^2) = -E log N(x | x_hat, s^2) + KL - const, with weight = 2 s^2."""
    model, batch = kl_autoencoder(weight=0.08), {"x": images(6)}
    terms = model.loss(batch, backend.rng(2))
    x, (mu, logvar) = SPACE.signed(batch["x"]), model.posterior(batch["x"])
    z = mu + exp(0.5 * logvar) * normal(backend.rng(2), mu.shape)
    s, D = math.sqrt(0.08 / 2), SPACE.size
    log_p = log_normal_fixed(x, model.decoder(z), s).sum(axis=(1, 2, 3)).mean().item()
    kl = kl_standard_normal(mu, logvar).sum(axis=(1, 2, 3)).mean().item()
    const = D * (0.5 * math.log(2 * math.pi) + math.log(s))
    assert terms["loss"].item() * D / 0.08 == pytest.approx(-log_p + kl - const, rel=1e-4)
    assert terms["KL"].item() == pytest.approx(kl, rel=1e-5)


def test_the_weight_brings_the_latents_to_size_one():
    """A little noise and a weight that counts: sd of z near 1; without any weight it stays what it happens to be."""
    sds = []
    for weight in (0.2, 0.0):
        run = Run(one_stage(loud(kl_autoencoder(weight)), adam(1e-2), 60, batch_size=16), dataset(),
                  rng=backend.rng(1))
        while not run.over:
            run.advance()
        sds.append(run.model.latents(images(100, 5), backend.rng(3)).std())
    assert 0.7 < sds[0] < 1.3 < 3 < sds[1]


class Linear2d(Module):
    """A linear map of whole images, for which the best is known."""

    def __init__(self, inputs, shape, rng):
        self.linear, self.shape = Linear(inputs, math.prod(shape), rng=rng), shape

    def forward(self, x):
        return self.linear(as_tensor(x).reshape(len(x), -1)).reshape(len(x), *self.shape)


@pytest.mark.parametrize("weight", [0.01, 0.5])
def test_where_the_kl_is_strong_small_objects_vanish(weight):
    """Two objects that come and go, of variance 2 (two pixels) and 1/16: of linear networks the best shrink an object of
    variance V by max(0, 1 - weight / 2 V), and at 0.5, the trap, nothing is left of the small one."""
    space, rng = Space((1, 2, 2), 17), backend.rng(0)
    large, small = (rng.integers(0, 2, 256) * 2 - 1 for _ in range(2))
    x = np.stack([8 + 8 * large, 8 + 8 * large, 8 + 2 * small, 0 * small + 8], axis=1).reshape(-1, 1, 2, 2)
    model = KLAutoencoder(space, channels=2, width=8, halvings=1, weight=weight, rng=rng)
    model.encoder, model.decoder = Linear2d(4, (4, 1, 1), rng), Linear2d(2, (1, 2, 2), rng)
    data = Dataset("objects", "train", {"x": x.astype(np.uint8)}, {"x": space}, "objects")
    run = Run(one_stage(model, adam(cosine_decay(0.05)), 500, batch_size=128), data, rng=rng)
    while not run.over:
        run.advance()
    said = 2 * model.reconstruct(data["x"]).reshape(-1, 4) - 1
    for pixel, object_, V in ((0, large, 2.0), (2, small / 4, 1 / 16)):
        left = (said[:, pixel] * object_).mean() / (object_**2).mean()
        assert left == pytest.approx(max(0.0, 1 - weight / (2 * V)), abs=0.08)


def test_latents_are_draws_of_q_and_reconstructions_use_their_mean():
    model, x = kl_autoencoder(), images(3)
    draws = np.stack([to_numpy(model.latents(x, rng)) for rng in [backend.rng(0)] for _ in range(400)])
    mu, logvar = (a.numpy() for a in model.posterior(x))
    np.testing.assert_allclose(draws.mean(axis=0), mu, atol=5 * np.exp(0.5 * logvar).max() / 20)
    np.testing.assert_allclose(draws.std(axis=0), np.exp(0.5 * logvar), rtol=0.25)
    np.testing.assert_array_equal(model.reconstruct(x), model.from_latents(mu))


# The first stage


class Unscaled(FirstStage):
    """Trap: no scale factor."""

    def scaled_by(self, x, rng):
        return self


class TheOtherWay(FirstStage):
    """Trap: divided before decoding, as on the way in."""

    def images(self, z):
        return self.autoencoder.from_latents(asarray(z) / self.sd)


def test_scaled_latents_have_deviation_one(autoencoder):
    of = lambda kind: kind(autoencoder).scaled_by(images(300), backend.rng(0)).all_latents(images(300, 7),
                                                                                        backend.rng(1)).std()
    fits = lambda sd: 0.95 < sd < 1.05
    assert fits(of(FirstStage)) and not fits(of(Unscaled))


def test_what_goes_in_comes_out(autoencoder):
    """images(latents(x)) is the autoencoder's own way there and back."""
    x = images(20, 3)
    expected = autoencoder.from_latents(autoencoder.latents(x, backend.rng(4)))
    for kind in (FirstStage, TheOtherWay):
        stage = kind(autoencoder).scaled_by(images(300), backend.rng(0))
        same = np.abs(stage.images(stage.latents(x, backend.rng(4))) - expected).max() < 1e-3
        assert same == (kind is FirstStage)


# The diffusion


class Knows(Module):
    """The network for data that are one latent z_0: v = a eps - s z_0 without an error."""

    def __init__(self, z_0, schedule):
        self.z_0, self.schedule = z_0, schedule

    def forward(self, z_t, t, condition=None, dropped=None):
        level = self.schedule.level(t)
        a, s = (asarray(np.float32(number).reshape(-1, 1, 1, 1)) for number in (level.a, level.s))
        return Tensor(a * (z_t.data - a * self.z_0) / s - s * self.z_0)


class Clips(LatentDiffusion):
    """Trap: an x_0 of latents kept within [-1, 1], as if they were pixels."""

    def guided(self, y, w):
        return clipped(super().guided(y, w))


def test_latents_have_no_bounds(autoencoder):
    """Samples of a diffusion that knows one latent are that latent's image, whatever is beyond 1 in it."""
    stage = FirstStage(autoencoder).scaled_by(images(300), backend.rng(0))
    z_0 = stage.latents(images(1, 9), backend.rng(1))
    assert np.abs(to_numpy(z_0)).max() > 1.3
    for model in (LatentDiffusion, Clips):
        diffusion = build(stage, Knows(z_0, cosine_schedule(100)), model)
        drawn = diffusion.sampler(diffusion.guided(np.array([3]), 1.5), normal(backend.rng(2), z_0.shape),
                                  diffusion.levels, rng=None)
        assert (np.abs(to_numpy(drawn - z_0)).max() < 1e-3) == (model is LatentDiffusion)
        if model is LatentDiffusion:
            np.testing.assert_allclose(diffusion.sample(1, backend.rng(2), y=[3]), stage.images(z_0), atol=1e-3)


def test_the_loss_of_who_knows_is_zero_and_of_who_says_nothing_that_of_v(autoencoder):
    """E |v|^2 = a^2 + s^2 E |z_0|^2, which is 1 for latents of size one."""
    stage = FirstStage(autoencoder).scaled_by(images(300), backend.rng(0))
    z_0 = stage.latents(images(1, 9), backend.rng(1))
    diffusion = build(stage, Knows(z_0, cosine_schedule(100)))
    assert diffusion.error(np.repeat(to_numpy(z_0), 30, axis=0), backend.rng(3)).numpy().max() < 1e-4
    silent = build(stage)  # a new U-Net says 0
    said = silent.loss({"x": images(200, 4), "y": np.arange(200) % 10}, backend.rng(3))["L_LDM"].item()
    z = stage.all_latents(images(200, 4), backend.rng(5))
    assert said == pytest.approx(0.5 + 0.5 * (z**2).mean(), rel=0.15)


def test_without_guidance_it_is_the_conditional_sampler(autoencoder):
    stage = FirstStage(autoencoder).scaled_by(images(300), backend.rng(0))
    model, y = build(stage), np.arange(4)
    rng = backend.rng(1)
    for p in model.network.parameters():
        if not p.data.any():
            p.data[...] = 0.1 * normal(rng, p.shape)
    plain = denoiser(model.network, "v", **model.told(y))
    z = ddim(plain, normal(backend.rng(3), (4, *stage.shape)), model.levels)
    np.testing.assert_array_equal(model.sample(4, backend.rng(3), y=y, w=0.0), stage.images(z))
    assert np.abs(model.sample(4, backend.rng(3), y=y, w=3.0) - stage.images(z)).max() > 1e-3


class TellsItsClass(Module):
    """Knows one latent, and twice that of who is told a class; notes who is dropped."""

    def __init__(self, z_0, schedule):
        self.one, self.other, self.dropped = Knows(z_0, schedule), Knows(2.0 * z_0, schedule), []

    def forward(self, z_t, t, condition=None, dropped=None):
        self.dropped.append(dropped)
        return (self.one if condition is None else self.other)(z_t, t)


def test_guidance_goes_w_beyond_the_class_and_each_is_dropped_on_its_own(autoencoder):
    """(1 + w) 2 z_0 - w z_0 = (2 + w) z_0."""
    stage = FirstStage(autoencoder).scaled_by(images(300), backend.rng(0))
    z_0 = stage.latents(images(1, 9), backend.rng(1))
    model = build(stage, TellsItsClass(z_0, cosine_schedule(100)), p_uncond=0.2)
    for w in (0.0, 1.5):
        drawn = model.sampler(model.guided(np.array([3]), w), normal(backend.rng(2), z_0.shape), model.levels, rng=None)
        np.testing.assert_allclose(to_numpy(drawn), (2.0 + w) * to_numpy(z_0), atol=5e-3)
    model.network.dropped.clear()
    for seed in range(10):
        model.loss({"x": images(50, seed), "y": np.arange(50) % 10}, backend.rng(seed))
    shares = np.mean(model.network.dropped, axis=1)
    assert abs(shares.mean() - 0.2) < 0.08 and 0 < shares.std() < 0.15


def test_the_autoencoder_is_no_child_and_the_scale_is_kept(autoencoder, tmp_path):
    stage = FirstStage(autoencoder).scaled_by(images(300), backend.rng(0))
    model = build(stage)
    assert set(model.state_dict()) == {"first_stage.sd", *(f"network.{name}" for name in model.network.state_dict())}
    again = build(FirstStage(autoencoder))
    again.load_state_dict(model.state_dict())
    assert float(again.first_stage.sd) == float(stage.sd) != 1.0

    def begin():
        rng = backend.rng(4)
        model = build(FirstStage(autoencoder).scaled_by(images(50), rng))
        return Run(one_stage(model, adam(1e-3), 6, batch_size=8, ema=(model.network, 0.9)), dataset(), rng=rng)

    RESUMPTION["assert_goes_on_bit_for_bit"](begin, 3, tmp_path)


def test_measures(autoencoder):
    stage = FirstStage(autoencoder).scaled_by(images(300), backend.rng(0))
    model, batch = build(stage), {"x": images(40), "y": np.arange(40) % 10}
    deviation, loss, worth = model.measure(batch, backend.rng(0))
    assert 0.8 < deviation.value < 1.2 and loss.value > 0 and worth.half_width is not None
    model.error = lambda z_0, rng, condition=None: Tensor(2.0 * rng.random(len(z_0)) + 3.0 * (condition is None))
    _, loss, worth = model.measure(batch, backend.rng(0))  # with the same noise 3 more without a class
    assert abs(loss.value - 1) < 0.5 and worth.value == pytest.approx(3)


@pytest.mark.parametrize("call, message", [
    (lambda: KLAutoencoder(Space((2,)), rng=None), "this model takes images"),
    (lambda: KLAutoencoder(SPACE, channels=0, rng=None), "channels is 0 and weight 0.002, expected at least 1 and 0"),
    (lambda: KLAutoencoder(Space((1, 9, 8), 17), rng=None), "images of 9 x 8 cannot be halved 2 times"),
    (lambda: FirstStage(kl_autoencoder()), "autoencoder is a KLAutoencoder, whose weights would be trained along"),
    (lambda: build(FirstStage(Frozen(kl_autoencoder())), w=-1.0), "w is -1.0, expected at least 0"),
    (lambda: LatentDiffusion(Frozen(kl_autoencoder()), None, None, CLASSES), "first_stage is a Frozen; pass FirstStage("),
    (lambda: build(FirstStage(Frozen(kl_autoencoder()))).sample(2, backend.rng(0), y=[1, 10]),
     "y holds values from 1 to 10, expected 0 to 9"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
