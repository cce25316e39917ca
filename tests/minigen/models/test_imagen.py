"""Imagen, and what all diffusions that are told captions share: each trap's broken version is caught."""
import numpy as np
import pytest

from autograd import Tensor, backend, grad, no_grad
from autograd.backend import normal, to_numpy
from minigen.data import Space
from minigen.data.shapes.captions import encode
from minigen.data.shapes.pairs import TEXT
from minigen.diffusion import classifier_free, cosine_schedule, denoiser, dpm_pp, dynamically_clipped, recorded
from minigen.models.text_to_image import CaptionLM, Imagen
from minigen.nn import Frozen, Module, UNet
from minigen.optim import adam

SPACE = Space((3, 8, 8), 256)
CAPTIONS = encode(["a red circle", "a small green cross at the top", "two blue squares", "a red shape left of a circle"])


def language_model():
    return CaptionLM(TEXT, width=8, blocks=1, heads=2, rng=backend.rng(0))


def build(model=Imagen, encoder=None, **arguments):
    """A small one, whose network's zeros are none."""
    network = UNet(3, width=8, multipliers=(1, 2), blocks=1, groups=4, attention=(0,), condition=16, context=16,
                   rng=backend.rng(1))
    rng = backend.rng(2)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.2 * normal(rng, p.shape)
    return model(network, encoder or Frozen(language_model()), cosine_schedule(20), SPACE, **{"steps": 4, **arguments})


def batch(n=8, seed=3):
    return {"x": np.random.default_rng(seed).integers(0, 256, (n, 3, 8, 8)).astype(np.uint8),
            "text": np.resize(CAPTIONS, (n, CAPTIONS.shape[1]))}


def predicted(model, text, dropped=False, seed=4):
    """What the network says of some x_t."""
    x_t = normal(backend.rng(seed), (len(text), 3, 8, 8))
    with no_grad():
        return model.network(Tensor(x_t), np.full(len(text), 9), **model.told(text, np.full(len(text), dropped))).numpy()


# The encoder stays what it was


class TrainedAlong(Imagen):
    """Its encoder is a child, and its gradients are taken."""

    def __init__(self, network, encoder, *args, **kwargs):
        super().__init__(network, Frozen(language_model()), *args, **kwargs)
        self.encoder = encoder

    def read(self, text):
        return self.encoder(text)


def moves(model, encoder):
    """Whether a step of training changes the encoder."""
    before = {name: array.copy() for name, array in encoder.state_dict().items()}
    player, = model.players()
    adam(1e-2)(player.params).step(grad(player.loss(batch(), backend.rng(5))["|v - v_theta|^2"], player.params,
                                        allow_unused=True), 1.0, 0.0)
    return any((encoder.state_dict()[name] != array).any() for name, array in before.items())


def test_the_encoder_is_not_trained_along():
    frozen, child = Frozen(language_model()), language_model()
    assert not moves(build(encoder=frozen), frozen.module)
    assert moves(build(TrainedAlong, child), child)
    with pytest.raises(ValueError, match="the encoder is a CaptionLM that could be trained along"):
        build(encoder=language_model())


# What is looked at


class LooksAtPadding(Imagen):
    def told(self, text, dropped):
        return {**super().told(text, dropped), "padding": None}


class WholeCaptionOnly(Imagen):
    """Pools where it should look."""

    def told(self, text, dropped):
        return {**super().told(text, dropped), "context": None}


def test_nothing_behind_the_end_is_looked_at():
    noisy = CAPTIONS.copy()
    noisy[0, 4:] = 7
    reaches = lambda model: np.abs(predicted(model, noisy) - predicted(model, CAPTIONS)).max() > 1e-4
    assert not reaches(build()) and reaches(build(LooksAtPadding))


def test_each_word_is_looked_at():
    """By the words' own vectors, though the end's stays what it is."""
    def by_words(model):
        told = model.told(CAPTIONS, np.zeros(4, bool))
        h, x_t, t = told["context"], Tensor(normal(backend.rng(4), (4, 3, 8, 8))), np.full(4, 9)
        if h is None:
            return False
        changed = {**told, "context": Tensor(np.roll(h.data, 1, axis=0)), "condition": told["condition"]}
        with no_grad():
            return np.abs((model.network(x_t, t, **changed) - model.network(x_t, t, **told)).numpy()).max() > 1e-3
    assert by_words(build()) and not by_words(build(WholeCaptionOnly))


def test_a_caption_as_a_whole_is_the_mean_of_its_words():
    model = build()
    h = normal(backend.rng(4), (len(CAPTIONS), CAPTIONS.shape[1], 3))
    lengths = [len(text.split()) + 1 for text in ("a red circle", "a small green cross at the top", "two blue squares",
                                                  "a red shape left of a circle")]  # with the end
    expected = [row[:length].mean(axis=0) for row, length in zip(to_numpy(h), lengths)]
    np.testing.assert_allclose(model.pooled(Tensor(h), CAPTIONS).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_the_loss_is_the_squared_error_of_v(error):
    """0 for who knows the image, which is gray."""
    model, b = build(), {**batch(), "x": np.full((8, 3, 8, 8), 200, np.uint8)}

    def knows(x_t, t, **told):
        a, s = (np.reshape(number, (-1, 1, 1, 1)) for number in model.schedule.level(t)[:2])
        return Tensor(np.float32((a * to_numpy(x_t.data) - SPACE.signed(b["x"])) / s + error))

    model.network = knows
    assert model.loss(b, backend.rng(0))["|v - v_theta|^2"].item() == pytest.approx(error**2, abs=1e-3)


# What "nothing" is


class EmptyCaption(Imagen):
    """Guided by what the encoder makes of a caption without words, which the network never met in training."""

    def unconditional(self, text):
        return self.conditional(0 * text)


def test_nothing_is_the_same_in_training_and_in_sampling():
    """x_0 of who is told nothing: of a dropped image in the batch of a loss, and of the sampler's denoiser."""
    level = cosine_schedule(20).level(9)
    x_t = normal(backend.rng(4), (4, 3, 8, 8))

    def same(model):
        dropped = np.array([True, False, True, False])
        trained = denoiser(model.network, "v", **model.told(CAPTIONS, dropped))(x_t, level)
        return np.abs(trained - model.unconditional(CAPTIONS)(x_t, level))[dropped].max() < 1e-5

    assert same(build()) and not same(build(EmptyCaption))
    np.testing.assert_allclose(predicted(build(), CAPTIONS, True), predicted(build(), CAPTIONS[::-1], True), atol=1e-5)
    with no_grad():
        null = build().network(Tensor(x_t), np.full(4, 9)).numpy()
    np.testing.assert_allclose(predicted(build(), CAPTIONS, True), null, atol=1e-5)


class Recorder(Module):
    def __init__(self):
        self.dropped = []

    def forward(self, x_t, t, dropped, **told):
        self.dropped.append(dropped)
        return x_t * 0.0


class PerBatch(Imagen):
    def told(self, text, dropped):
        return super().told(text, np.full(len(text), dropped[0]))


def test_each_image_is_dropped_on_its_own():
    def shares(model):
        model, rng = build(model, p_uncond=0.2), backend.rng(5)
        model.network = Recorder()
        for _ in range(30):
            model.loss(batch(40), rng)
        return np.mean(model.network.dropped, axis=1)

    fits = lambda shares: abs(shares.mean() - 0.2) < 0.05 and shares.std() < 0.1
    assert fits(shares(Imagen)) and not fits(shares(PerBatch))


# Guidance


def test_without_guidance_it_is_the_conditional_sampler():
    """w = 0, bit for bit."""
    model = build()
    x_T = normal(backend.rng(6), (4, 3, 8, 8))
    expected = dpm_pp(dynamically_clipped(model.conditional(CAPTIONS)), x_T, model.levels)
    np.testing.assert_array_equal(model.sample(4, backend.rng(6), text=CAPTIONS, w=0.0), SPACE.from_signed(expected))


def test_told_no_caption_it_is_the_unconditional_sampler():
    model = build()
    x_T = normal(backend.rng(6), (2, 3, 8, 8))
    expected = dpm_pp(dynamically_clipped(model.unconditional(CAPTIONS[:2])), x_T, model.levels)
    np.testing.assert_allclose(model.sample(2, backend.rng(6)), SPACE.from_signed(expected), atol=1e-5)


class Unlimited(Imagen):
    def limited(self, denoise):
        return denoise


def test_guidance_keeps_x_0_where_images_are():
    """In every step, at w = 5; without thresholds it runs away."""
    def farthest(model):
        frames, model = [], build(model)
        model.from_noise(recorded(model.guided(CAPTIONS, 5.0), frames), 4, backend.rng(7))
        return max(np.abs(to_numpy(x_0)).max() for _, _, x_0 in frames)

    assert farthest(Imagen) <= 1 and farthest(Unlimited) > 1.5


def test_guidance_is_thresholded_after_it_has_led():
    """Thresholds are of what the sampler sees, not of the two that are mixed."""
    model, level = build(), cosine_schedule(20).level(15)
    x_t = normal(backend.rng(8), (4, 3, 8, 8))
    mixed = classifier_free(model.conditional(CAPTIONS), model.unconditional(CAPTIONS), 5.0)
    np.testing.assert_array_equal(model.guided(CAPTIONS, 5.0)(x_t, level), dynamically_clipped(mixed)(x_t, level))


def test_samples_and_measures():
    model = build()
    x = model.sample(3, backend.rng(8), text=CAPTIONS[:3])
    assert x.shape == (3, 3, 8, 8) and 0 <= x.min() < x.max() <= 1
    assert model.sample(0, backend.rng(8), text=CAPTIONS[:0]).shape == (0, 3, 8, 8)
    own, other, nothing = model.measure(batch(12), backend.rng(9))
    assert own.value > 0 and other.half_width > 0 and abs(nothing.value) < own.value


def test_a_caption_is_worth_what_the_error_is_larger_without_it():
    """Under the same noise: of errors of 1 on average, 2 more for another's caption and 4 more for none."""
    model, b = build(), batch(12)
    own_text = b["text"]
    model.told = lambda text, dropped: 2.0 * (text != own_text).any(axis=1) + 4.0 * dropped
    model.errors = lambda x_0, more, rng: Tensor(2.0 * rng.random(len(x_0)) + more)
    own, other, nothing = model.measure(b, backend.rng(9))
    assert abs(own.value - 1) < 0.5 and own.half_width > 0
    assert (other.value, nothing.value) == (pytest.approx(2), pytest.approx(4))


@pytest.mark.parametrize("call, message", [
    (lambda: build(p_uncond=0.0), "Imagen: p_uncond is 0.0, expected between 0 and 1"),
    (lambda: build(w=-1.0), "w is -1.0, expected at least 0, which is the plain conditional model"),
    (lambda: build().sample(3, backend.rng(0), text=CAPTIONS), "Imagen: 4 captions for 3 samples; give one for each"),
    (lambda: build().sample(1, backend.rng(0), text=np.full((1, 11), 99)), "text holds values from 99 to 99"),
    (lambda: Imagen(None, Frozen(language_model()), cosine_schedule(20), Space((2,))), "expected images (C, H, W)"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
