"""Imagen's cascade: the caption reaches both networks, by each of its words and by none that follow; what is told
nothing in training is told it in sampling; each trap's broken version is caught. That a chain of exact parts is exact,
test_cascade.py shows of any."""
import numpy as np
import pytest

from autograd import backend, grad
from autograd.backend import normal, to_numpy
from minigen.data import Space
from minigen.data.shapes.captions import encode
from minigen.data.shapes.pairs import TEXT
from minigen.diffusion import cosine_schedule
from minigen.models.diffusion import SuperResolution, SuperResolutionUNet
from minigen.models.text_to_image import CaptionLM, ImagenCascade
from minigen.nn import Frozen, Module
from minigen.optim import adam
from minigen.text_to_image import Captions

SPACE, SCHEDULE = Space((3, 8, 8), 256), cosine_schedule(20)
CAPTIONS = encode(["a red circle", "a small green cross at the top", "two blue squares", "a red shape left of a circle"])


def language_model():
    return CaptionLM(TEXT, width=8, blocks=1, heads=2, rng=backend.rng(0))


def build(told=Captions, model=SuperResolution, encoder=None, **settings):
    """A small one, whose network's zeros are none."""
    network = SuperResolutionUNet(3, width=8, multipliers=(1, 2), blocks=1, groups=4, attention=(0,), condition=16,
                                  context=16, rng=backend.rng(1))
    rng = backend.rng(2)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.2 * normal(rng, p.shape)
    told = told(encoder or Frozen(language_model()))
    return model(network, SCHEDULE, SPACE, told, **{"steps": 3, **settings})


def batch(n=8):
    return {"x": backend.rng(3).integers(0, 256, (n, 3, 8, 8)).astype(np.uint8),
            "text": np.resize(CAPTIONS, (n, CAPTIONS.shape[1]))}


def denoised(model, text, w=0.0):
    """x_0 of some x_t, of who sees the same small images and is told these captions; None for none."""
    s, level = np.full(4, 2), SCHEDULE.level(9)
    low = model.seen(normal(backend.rng(4), (4, 3, 4, 4)), s, backend.rng(5))
    return to_numpy(model.guided(low, s, text, w)(normal(backend.rng(6), (4, 3, 8, 8)), level))


class LooksAtPadding(Captions):
    def __call__(self, text):
        return {**super().__call__(text), "padding": None}


class NotTold(Captions):
    """The small image alone."""

    def __call__(self, text):
        return {}


def differs(a, b):
    return np.abs(a - b).max() > 1e-3


def test_the_upsampler_is_told_the_caption():
    tells = lambda model: differs(denoised(model, CAPTIONS), denoised(model, CAPTIONS[::-1]))
    assert tells(build()) and not tells(build(NotTold))


def test_nothing_behind_the_end_is_looked_at():
    noisy = CAPTIONS.copy()
    noisy[0, 4:] = 7
    reaches = lambda model: differs(denoised(model, noisy), denoised(model, CAPTIONS))
    assert not reaches(build()) and reaches(build(LooksAtPadding))


class Recorder(Module):
    """Says nothing, and notes what it is told."""

    def __init__(self):
        self.calls = []

    def forward(self, x_t, t, low, level, **told):
        self.calls.append(told)
        return x_t * 0.0


class AllOrNone(SuperResolution):
    """Drops the captions of a whole batch."""

    def loss(self, batch, rng):
        whole = self.p_uncond
        self.p_uncond = float(rng.random() < whole)
        losses = super().loss(batch, rng)
        self.p_uncond = whole
        return losses


def test_each_caption_is_dropped_on_its_own():
    def shares(model):
        model, rng = build(model=model, p_uncond=0.2), backend.rng(5)
        model.network = Recorder()
        for _ in range(30):
            model.loss(batch(40), rng)
        return np.mean([told["dropped"] for told in model.network.calls], axis=1)

    fits = lambda shares: abs(shares.mean() - 0.2) < 0.05 and shares.std() < 0.1
    assert fits(shares(SuperResolution)) and not fits(shares(AllOrNone))


def test_nothing_is_the_same_in_training_and_in_sampling():
    """The null that the network learns where a caption is dropped is what w goes beyond."""
    model = build(limit=lambda denoise: denoise)
    s, level = np.full(4, 2), SCHEDULE.level(9)
    low = model.seen(normal(backend.rng(4), (4, 3, 4, 4)), s, backend.rng(5))
    dropped = model.denoiser(low, s, dropped=np.ones(4, bool), **model.told(CAPTIONS))
    x_t = normal(backend.rng(6), (4, 3, 8, 8))
    np.testing.assert_allclose(to_numpy(dropped(x_t, level)), denoised(model, None), atol=1e-5)
    told, nothing = denoised(model, CAPTIONS), denoised(model, None)
    np.testing.assert_allclose(denoised(model, CAPTIONS, w=3.0), 4 * told - 3 * nothing, atol=1e-4)


class TrainedAlong(Captions):
    """Its encoder's weights can move, and its gradients are taken."""

    def __init__(self, encoder):
        self.encoder, self.text = encoder, encoder.text

    def read(self, text):
        return self.encoder(text)


def follows(told):
    """Whether a graph leads from what the network is told to an encoder."""
    said = told(CAPTIONS)
    return said["context"].requires_grad or said["condition"].requires_grad


def test_the_encoder_is_not_trained_along():
    encoder = language_model()
    model = build(encoder=Frozen(encoder))
    before = {name: array.copy() for name, array in encoder.state_dict().items()}
    stem = model.network.stem.weight.numpy().copy()
    player, = model.players()
    gradients = grad(player.loss(batch(), backend.rng(5))["L_F"], player.params, allow_unused=True)
    adam(1e-2)(player.params).step(gradients, 1.0, 0.0)
    assert (model.network.stem.weight.numpy() != stem).any()
    assert all((array == before[name]).all() for name, array in encoder.state_dict().items())
    assert follows(TrainedAlong(language_model())) and not follows(Captions(Frozen(language_model())))
    with pytest.raises(ValueError, match="Captions: the encoder is a CaptionLM that could be trained along"):
        build(encoder=language_model())


# The cascade


class Part:
    """Draws gray, and notes what it is told."""

    def __init__(self, side):
        self.space, self.asked = Space((3, side, side), 256), []
        self.told = Captions(Frozen(language_model()))

    def draw(self, *told):
        *given, text, w, _ = told
        self.asked.append((text, w))
        return np.full((len(text), *self.space.shape), given[0].mean() + 0.25 if given else 0.0, np.float32)


def chained(*sides, w=2.0):
    base, *upsamplers = map(Part, sides)
    return ImagenCascade(base, upsamplers, w), (base, *upsamplers)


def test_all_parts_are_told_the_caption_and_w():
    model, parts = chained(4, 8, 16)
    x = model.sample(4, backend.rng(0), text=CAPTIONS)
    assert x.shape == (4, 3, 16, 16)
    model.sample(4, backend.rng(0), text=CAPTIONS, w=5.0)
    model.sample(4, backend.rng(0))
    for part in parts:
        (text, w), (_, more), (nothing, none) = part.asked
        assert (text == CAPTIONS).all() and (w, more) == (2.0, 5.0)
        assert not nothing.any() and none == -1.0  # -1: what it is told does not count


def test_what_one_part_draws_the_next_enlarges():
    model, _ = chained(4, 8, 16)  # 0 on [-1, 1], and 0.25 more each time
    np.testing.assert_allclose(model.sample(1, backend.rng(0)), (0.25 + 0.25 + 1) / 2)


def test_a_cascade_of_networks_draws():
    class Drawn(Part):
        def draw(self, text, w, rng):
            return normal(rng, (len(text), *self.space.shape)).clip(-1, 1)

    model = ImagenCascade(Drawn(4), [Frozen(build())])
    x = model.sample(3, backend.rng(7), text=CAPTIONS[:3])
    assert x.shape == (3, 3, 8, 8) and 0 <= x.min() < x.max() <= 1
    assert differs(x, model.sample(3, backend.rng(7), text=CAPTIONS[1:]))
    error, stray = model.measure(batch(), backend.rng(8))
    assert error.value > 0 and stray.value > 0 and "bicubic" in error.detail


@pytest.mark.parametrize("call, message", [
    (lambda: chained(4, 16), "ImagenCascade: after images of (3, 4, 4) comes an upsampler to (3, 16, 16), expected"),
    (lambda: chained(4, 8)[0].sample(3, backend.rng(0), text=CAPTIONS), "ImagenCascade: 4 captions for 3 samples"),
    (lambda: chained(4, 8)[0].sample(4, backend.rng(0), text=CAPTIONS + 1000), "text holds values from"),
    (lambda: denoised(build(), CAPTIONS[:, :3]), "text has shape (4, 3)"),
])
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)
