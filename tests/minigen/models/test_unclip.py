"""unCLIP's decoder: what it is told and when not, the two codes of an image, and what is done with them."""
from types import SimpleNamespace

import numpy as np
import pytest

from autograd import Tensor, backend
from autograd.backend import normal, to_numpy
from minigen.data import Space
from minigen.diffusion import clipped, cosine_schedule, ddim
from minigen.latents import line
from minigen.models.text_to_image import ClipPrior, UnCLIP, unclip
from minigen.nn import Module, UNet

d, IMAGE, TEXT, SCHEDULE = 12, Space((3, 8, 8), 256), Space((3,), 6), cosine_schedule(100)


class Clip:
    """A CLIP that sees the mean colour of each quarter: a linear map of 12 numbers, put on the sphere. Captions have
    vectors by their first word."""

    space, text, W_t = IMAGE, TEXT, SimpleNamespace(weight=np.zeros((d, 2)))

    def image_vectors(self, x):
        x = np.asarray(x, np.float32)
        v = x.reshape(len(x), 3, 2, 4, 2, 4).mean(axis=(3, 5)).reshape(len(x), d) + 0.01
        return Tensor(v / np.linalg.norm(v, axis=1, keepdims=True))

    def text_vectors(self, text):
        return Tensor(np.eye(6, d, dtype=np.float32)[text[:, 0]])


def build(model=UnCLIP, **settings):
    rng = backend.rng(0)
    network = UNet(3, width=8, multipliers=(1, 2), blocks=1, groups=4, condition=d, rng=rng)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.1 * normal(rng, p.shape)
    prior = ClipPrior(Clip(), SCHEDULE, width=16, blocks=1, heads=2, steps=3, rng=rng)
    return model(network, SCHEDULE, prior, **{"steps": 4} | settings).eval()


class Recorder(Module):
    """Says nothing, and notes what it is told."""

    def __init__(self):
        self.told = []

    def forward(self, x_t, t, condition=None, dropped=None):
        self.told.append((condition, dropped))
        return x_t * 0.0


def batch(n, seed=1):
    """Images that are smooth enough for a denoiser by formula: one colour with a little noise."""
    rng = backend.rng(seed)
    colour = rng.integers(60, 196, (n, 3, 1, 1))
    return {"x": np.uint8(colour + rng.integers(-20, 20, (n, 3, 8, 8))), "text": rng.integers(1, 6, (n, 3))}


def lengths(model):
    """Of the vectors that the decoder is told, in training and in drawing for a caption."""
    model.network, b = Recorder(), batch(6)
    model.loss(b, backend.rng(0))
    model.prior.network = lambda z, t, text, z_t, dropped: z_t  # draws vectors of a length as CLIP has them
    model.sample(6, backend.rng(0), text=b["text"])
    told = [condition.numpy() for condition, _ in model.network.told if condition is not None]
    return [np.linalg.norm(rows, axis=1) for rows in (told[0], told[-1])]


class Unscaled(UnCLIP):
    """Trained on vectors of length 1."""

    def loss(self, batch, rng):
        scale, self.prior.scale = self.prior.scale, 1.0
        try:
            return super().loss(batch, rng)
        finally:
            self.prior.scale = scale


def test_it_is_told_vectors_of_the_same_length_in_training_and_in_drawing():
    fits = lambda found: all(abs(length - np.sqrt(d)).max() < 0.1 for length in found)
    assert fits(lengths(build())) and not fits(lengths(build(Unscaled)))


def test_each_image_is_dropped_on_its_own_and_guidance_goes_beyond():
    model, rng = build(p_uncond=0.2), backend.rng(3)
    network, model.network = model.network, Recorder()
    for _ in range(40):
        model.loss(batch(50), rng)
    shares = np.array([dropped.mean() for _, dropped in model.network.told])
    assert abs(shares.mean() - 0.2) < 0.04 and shares.std() < 0.1
    model.network, z = network, model.encode(batch(4)["x"])
    level, x_t = SCHEDULE.level(90), 0.3 * normal(backend.rng(4), (4, 3, 8, 8))
    c = Tensor(z)
    v, v_null = (network(Tensor(x_t), np.full(4, 90), condition=given).numpy() for given in (c, None))
    guided = to_numpy(model.denoise(z, 2.0)(x_t, level))
    expected = level.a * x_t - level.s * (3 * v - 2 * v_null)
    np.testing.assert_allclose(guided, expected.clip(-1, 1), atol=1e-5)
    plain = ddim(clipped(lambda x, at: at.a * x - at.s * network(Tensor(x), np.full(4, at.t), condition=c).data),
                 normal(backend.rng(5), x_t.shape), model.levels)
    np.testing.assert_allclose(model.decode(z, backend.rng(5), w=0.0), model.space.from_signed(plain), atol=1e-5)


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_the_loss_is_the_squared_error_of_v(error):
    """0 for who knows the image, which is gray."""
    model, gray = build(), IMAGE.signed(np.full((40, 3, 8, 8), 200, np.uint8))

    def knows(x_t, t, condition, dropped):
        a, s = (np.reshape(number, (-1, 1, 1, 1)) for number in SCHEDULE.level(t)[:2])
        return Tensor(np.float32((a * x_t.data - gray) / s + error))

    model.network = knows
    loss = model.loss({"x": np.full((40, 3, 8, 8), 200, np.uint8)}, backend.rng(0))["L"].item()
    assert loss == pytest.approx(error**2, abs=1e-3)


class ByFormula(Module):
    """v of the best guess of images that are N(colour, 0.2^2) around the colours that z says."""

    def forward(self, x_t, t, condition=None, dropped=None):
        a = np.sqrt(SCHEDULE.alpha_bar[int(t[0])])
        s = np.sqrt(1 - a * a)
        if condition is None:
            mean = 0.0
        else:
            quarters = condition.numpy().reshape(-1, 3, 2, 2) / np.sqrt(d)
            mean = quarters.repeat(4, axis=2).repeat(4, axis=3)
        x_0 = mean + a * 0.04 / (0.04 * a * a + s * s) * (x_t.data - a * mean)
        return Tensor(np.float32((a * x_t.data - x_0) / s))


def exact(**settings):
    model = build(steps=25, **settings)
    model.network = ByFormula()
    return model


def test_two_codes_are_the_image():
    """The noise that is found and z_i give the image back; of other noise, with the same z_i, another one is made, and
    with fresh noise on the way others again."""
    model, x = exact(), batch(5)["x"]
    drawn = model.space.drawn(x)
    z, x_T = model.encode(x), model.invert(x)
    off = lambda images: abs(images - drawn).mean()
    assert off(model.decode_from(x_T, z)) < 0.01
    assert off(model.decode_from(x_T[::-1], z)) > 0.03
    varied = model.variations(x, 3, backend.rng(1)).reshape(5, 3, 3, 8, 8)
    assert min(abs(varied[:, 0] - varied[:, 1]).mean(), off(varied[:, 2])) > 0.03
    near = (model.prior.of_images(np.float32(2 * varied.reshape(-1, 3, 8, 8) - 1)).reshape(5, 3, d) * z[:, None]).sum(-1)
    assert (near / d).mean() > 0.5


def straying(model):
    """How far from sqrt(d) the vectors on the way between two images are."""
    x, told = batch(4)["x"], []
    inner = model.decode_from
    model.decode_from = lambda x_T, z, **more: told.append(z) or inner(x_T, z, **more)
    pictures = model.interpolate(x[:2], x[2:], steps=5)
    drawn = model.space.drawn(x)
    for row in range(2):  # both ends are the images themselves
        assert abs(pictures[5 * row] - drawn[row]).mean() < 0.01
        assert abs(pictures[5 * row + 4] - drawn[2 + row]).mean() < 0.01
    return abs(np.linalg.norm(told[0], axis=1) / np.sqrt(d) - 1).max()


def test_the_way_between_two_images_stays_on_the_sphere(monkeypatch):
    assert straying(exact()) < 1e-4
    monkeypatch.setattr(unclip, "slerp", line)
    assert straying(exact()) > 0.01  # a straight line leaves it


def test_a_difference_of_texts_turns_the_vector_and_begins_with_the_image():
    model, x = exact(), batch(3)["x"]
    told, inner = [], model.decode_from
    model.decode_from = lambda x_T, z, **more: told.append(z) or inner(x_T, z, **more)
    before, after = np.tile([1, 0, 0], (3, 1)), np.tile([2, 0, 0], (3, 1))
    pictures = model.text_difference(x, before, after, theta=0.4, steps=4).reshape(3, 4, 3, 8, 8)
    assert abs(pictures[:, 0] - model.space.drawn(x)).mean() < 0.01
    z_d = model.prior.of_captions(after)[0] - model.prior.of_captions(before)[0]
    towards = (told[0].reshape(3, 4, d) @ z_d)
    assert (np.diff(towards, axis=1) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(told[0], axis=1), np.sqrt(d), rtol=1e-4)
    with pytest.raises(ValueError, match="are the same; nothing would change"):
        model.text_difference(x, before, before)


def test_the_measure_tells_a_decoder_that_looks_from_one_that_does_not():
    model, b = exact(w=0.0), batch(60)
    (sees,) = model.measure(b, backend.rng(0))
    model.network.forward = lambda x_t, t, condition=None, dropped=None: ByFormula.forward(None, x_t, t)
    (blind,) = model.measure(b, backend.rng(0))
    assert sees.value > 0.5 > blind.value + 0.3


def test_what_does_not_fit_is_named():
    for settings, message in ({"p_uncond": 1.0}, "p_uncond is 1.0, expected between 0 and 1"), (
            {"w": -0.5}, "w is -0.5, expected at least 0"):
        with pytest.raises(ValueError, match=message):
            build(**settings)
    model = build()
    with pytest.raises(ValueError, match="2 captions for 3 samples; give one for each"):
        model.sample(3, backend.rng(0), text=batch(2)["text"])
    with pytest.raises(ValueError, match="text holds values from 9 to 9"):
        model.sample(1, backend.rng(0), text=np.full((1, 3), 9))
    assert model.sample(2, backend.rng(0)).shape == (2, 3, 8, 8)
    assert model.sample(0, backend.rng(0), text=batch(1)["text"][:0]).shape == (0, 3, 8, 8)
