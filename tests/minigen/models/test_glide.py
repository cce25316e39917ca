"""GLIDE: what is dropped, guidance by a CLIP that knows noise, edits that leave the rest; and each broken version."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, grad, no_grad, parameter
from autograd.backend import normal, to_numpy
from minigen import data
from minigen.data import Space
from minigen.data.shapes.captions import decode, encode, parse
from minigen.data.shapes.drawing import render
from minigen.data.shapes.pairs import TEXT
from minigen.data.shapes.reader import read
from minigen.diffusion import ancestral_tilde, by_classifier, clipped, cosine_schedule
from minigen.models.text_to_image import CLIP, GLIDE, GLIDEEditor, NoisedCLIP
from minigen.nn import Frozen, UNet
from minigen.optim import adam
from minigen.recipes import find
from minigen.shapes_judge import edit_tasks, redrawn_measures
from minigen.text_to_image import TextEncoder
from minigen.train import Run, one_stage, train

PAIRS = 24
SPACE, SCHEDULE = Space((3, 8, 8), 256), cosine_schedule(20)
CAPTIONS = encode(["a red circle", "a small green cross at the top", "two blue squares", "a red shape left of a circle"])


def unet(channels=3, seed=1):
    network = UNet(channels, 3, width=8, multipliers=(1, 2), blocks=1, groups=4, attention=(0,), condition=8, context=8,
                   patch=2, rng=backend.rng(seed))
    rng = backend.rng(2)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.2 * normal(rng, p.shape)
    return network


def build(model=GLIDE, network=None, **arguments):
    encoder = TextEncoder(TEXT, width=8, blocks=1, heads=2, rng=backend.rng(0))
    return model(network or unet(), encoder, SCHEDULE, SPACE, **{"steps": 4, **arguments})


def build_editor(model=GLIDEEditor, trained=True):
    encoder = TextEncoder(TEXT, width=8, blocks=1, heads=2, rng=backend.rng(20))
    editor = model(unet(7, 3), encoder, Frozen(build()), steps=4)
    if trained:
        stem = editor.network.network.stem.weight
        stem.data[:, 12:] = 0.1 * normal(backend.rng(12), stem.data[:, 12:].shape)
    return editor


def batch(n=8, seed=3):
    return {"x": np.random.default_rng(seed).integers(0, 256, (n, 3, 8, 8)).astype(np.uint8),
            "text": np.resize(CAPTIONS, (n, CAPTIONS.shape[1]))}


# Captions


class NullOfTheNetwork(GLIDE):
    """Trained with the empty caption, guided by the network's own null, which no loss has moved."""

    def _denoiser(self, text, dropped, more):
        if not dropped.any():
            return super()._denoiser(text, dropped, more)
        inner, self.told = self.told, lambda text, dropped: {}
        denoise = super()._denoiser(text, dropped, more)
        self.told = inner
        return denoise


def test_dropped_is_the_empty_caption_in_training_and_in_sampling():
    level, x_t = SCHEDULE.level(9), normal(backend.rng(4), (4, 3, 8, 8))

    def same(model):
        dropped = np.array([True, False, True, True])
        with no_grad():
            v = model.network(Tensor(x_t), np.full(4, 9), **model.told(CAPTIONS, dropped)).numpy()
        trained = level.a * x_t - level.s * v
        return np.abs(trained - model.unconditional(CAPTIONS)(x_t, level))[dropped].max() < 1e-5

    assert same(build()) and not same(build(NullOfTheNetwork))
    empty = build().conditional(np.zeros_like(CAPTIONS))(x_t, level)
    np.testing.assert_allclose(build().unconditional(CAPTIONS)(x_t, level), empty, atol=1e-6)


def test_the_encoder_is_trained_along():
    model = build()
    player, = model.players()
    slopes = grad(model.loss(batch(), backend.rng(5))["|v - v_theta|^2"], model.encoder.parameters())
    assert all(any(p is q for q in player.params) for p in model.encoder.parameters())
    assert sum(np.abs(slope.numpy()).max() > 0 for slope in slopes) > len(slopes) // 2


# CLIP


@pytest.fixture(scope="module")
def shapes():
    return data.load("shapes16", "valid")


@pytest.fixture(scope="module")
def clips(shapes):
    """One of noisy images, one of clean ones, after a few steps on few pairs, told apart by heart."""
    found, few, schedule = [], shapes.first(PAIRS), cosine_schedule(100)
    for steps, make in ((36, lambda rng: NoisedCLIP(few.spaces["x"], few.spaces["text"], schedule, rng=rng)),
                        (18, lambda rng: CLIP(few.spaces["x"], few.spaces["text"], rng=rng))):
        clip, rng = make(backend.rng(0)), backend.rng(1)
        params = clip.parameters()
        optimizer = adam(3e-4)(params)
        for _ in range(steps):
            optimizer.step(grad(clip.loss(few.columns, rng)["contrastive loss"], params, allow_unused=True), 1.0, 0.0)
        found.append(clip.eval())
    return found


def test_it_finds_captions_with_little_noise_and_none_with_much(clips, shapes):
    """Near chance at t = T, which is right, and so is a loss that is not below ln N there."""
    noised, _ = clips
    found = [measure.value for measure in noised.measure(shapes.first(PAIRS).columns, backend.rng(2))]
    assert found[0] > 0.6 and found[0] > found[3] + 0.2 and found[-1] < 0.2, found
    T = noised.schedule.T
    with no_grad():
        I = noised.noisy_vectors(shapes["x"][:PAIRS], np.full(PAIRS, T), backend.rng(3))
        logits = noised.logits(I, shapes["text"][:PAIRS]).numpy().astype(float)
    loss = (np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)).mean()
    assert loss > 0.9 * math.log(PAIRS)


def test_a_clip_of_clean_images_misleads_where_there_is_noise(clips, shapes):
    """It finds fewer captions of x_t, its gradient is larger where there is nothing to be read, and it is never told
    t."""
    noised, clean = clips
    few, schedule = shapes.first(PAIRS), noised.schedule

    def steepness(agree, t):
        x_0 = few.spaces["x"].signed(few["x"])
        x_t = parameter(schedule.q_sample(x_0, np.full(PAIRS, t), normal(backend.rng(4), x_0.shape)))
        return np.sqrt((grad(agree(x_t, schedule.level(t)).sum(), x_t).numpy() ** 2).sum(axis=(1, 2, 3))).mean()

    told, unnoised = (clip.agreement(few["text"]) for clip in clips)
    assert steepness(told, schedule.T) < 0.8 * steepness(unnoised, schedule.T)
    t = schedule.T // 2
    x_t = schedule.q_sample(few.spaces["x"].signed(few["x"]), np.full(PAIRS, t), normal(backend.rng(4), (PAIRS, 3, 16, 16)))
    with no_grad():
        found = [(clip.logits(I, few["text"]).numpy().argmax(axis=1) == np.arange(PAIRS)).mean() for clip, I in (
            (noised, noised.image_vectors(x_t, np.full(PAIRS, t))), (clean, clean.image_vectors(x_t)))]
    assert found[0] > found[1] + 0.1, found
    x_t = Tensor(normal(backend.rng(5), (PAIRS, 3, 16, 16)))
    early, late = schedule.level(1), schedule.level(schedule.T)
    assert np.abs(told(x_t, early).numpy() - told(x_t, late).numpy()).max() > 0.1
    np.testing.assert_array_equal(unnoised(x_t, early).numpy(), unnoised(x_t, late).numpy())


def test_clip_leads_by_the_equation():
    """mu + s Sigma grad (f . g): of one step of the ancestral sampler the mean moves by just that."""
    model, clip = build(), NoisedCLIP(SPACE, TEXT, SCHEDULE, rng=backend.rng(6))
    t, s = SCHEDULE.level(12), SCHEDULE.level(11)
    x_t = normal(backend.rng(7), (4, 3, 8, 8))
    agree = clip.agreement(CAPTIONS)
    leaf = parameter(x_t)
    uphill = grad(agree(leaf, t).sum(), leaf).numpy()
    led = by_classifier(model.conditional(CAPTIONS), agree, 3.0)
    step = lambda denoise: to_numpy(ancestral_tilde(denoise, x_t, [t, s], rng=backend.rng(8)))
    moved = step(led) - step(model.conditional(CAPTIONS))
    Sigma = SCHEDULE.beta[12] / math.sqrt(SCHEDULE.alpha[12])  # beta, and 1 / sqrt(alpha), by which mu takes a score
    np.testing.assert_allclose(moved, 3.0 * Sigma * uphill, atol=1e-5)
    assert np.abs(moved).max() > 1e-3
    plain = clipped(model.conditional(CAPTIONS))
    np.testing.assert_array_equal(model.led(CAPTIONS, clip, 0.0)(x_t, t), plain(x_t, t))
    np.testing.assert_array_equal(model.led(CAPTIONS, clip, 3.0)(x_t, t), clipped(led)(x_t, t))
    assert model.sample_by_clip(clip, backend.rng(9), CAPTIONS, 2.0).shape == (4, 3, 8, 8)


# Editing


def masks(n):
    m = np.ones((n, 1, 8, 8), bool)
    m[:, :, 2:6, 3:7] = False
    return m


class NotPutBack(GLIDEEditor):
    """Trusts its network to leave the rest as it is."""

    def redraw(self, x, m, text, rng, w=None):
        x_0 = self.encode(x)
        denoise = self.guided(text, 1.0, beside=self.beside(x_0, m))
        return self.decode(self.from_noise(denoise, len(x), rng))


def test_an_edit_leaves_the_rest_bit_for_bit():
    b, m = batch(4), masks(4)

    def leaves(model):
        edited = build_editor(model).redraw(b["x"], m, CAPTIONS, backend.rng(10))
        assert edited.shape == (4, 3, 8, 8) and (edited != SPACE.drawn(b["x"]))[np.broadcast_to(~m, edited.shape)].any()
        outside = np.broadcast_to(m, edited.shape)
        return (edited[outside] == SPACE.drawn(b["x"])[outside]).all()

    assert leaves(GLIDEEditor) and not leaves(NotPutBack)


def test_it_begins_as_the_network_that_it_was():
    """Words and picture as before, and what is beside has no weight yet: initialized like the others, it would."""
    glide, b, t = build(), batch(4), np.full(4, 9)
    x_t = Tensor(normal(backend.rng(11), (4, 3, 8, 8)))

    def begins_as_it_was(editor):
        none = np.zeros(4, bool)
        with no_grad():
            said = editor.network(x_t, t, **editor.told(CAPTIONS, none, editor.beside(editor.encode(b["x"]), masks(4))))
            return np.abs((said - glide.network(x_t, t, **glide.told(CAPTIONS, none))).numpy()).max() < 1e-5

    assert begins_as_it_was(build_editor(trained=False)) and not begins_as_it_was(build_editor())


def test_what_is_hidden_is_not_seen():
    model, b, m = build_editor(), batch(4), masks(4)
    x_0 = model.encode(b["x"])
    other = np.where(m, x_0, 0.3).astype(np.float32)
    np.testing.assert_array_equal(model.beside(x_0, m), model.beside(other, m))
    assert np.abs(model.beside(x_0, m) - model.beside(-x_0, m)).max() > 0


def test_now_and_then_nothing_is_known():
    """A quarter of the pictures, beside those of which the box hides all."""
    model, beside = build_editor(), []
    inner = model.told
    model.told = lambda text, dropped, known: beside.append(known) or inner(text, dropped, known)
    for seed in range(8):
        model.loss(batch(16), backend.rng(seed))
    blank = (np.concatenate(beside)[:, 3] == 0).all(axis=(1, 2)).mean()
    assert abs(blank - 0.25 - 0.75 / 49) < 0.12, blank


def pasted(picture, mask, text):
    """The picture whose hidden object is of the shape and colour that the caption gives the second one, where it was."""
    kept = read(np.where(mask, picture, 0)).scene
    old, = (thing for thing in read(picture).scene if thing not in kept)
    kind = parse(text).kinds[1]
    return np.where(mask, picture, render([*kept, old._replace(shape=kind.shape, colour=kind.colour)], 16))


def test_edits_are_judged_by_what_is_read(shapes):
    """One who pastes what was asked for makes them all; one who draws nothing makes none; one who changes the rest is
    seen."""
    some = shapes.first(60)
    pictures = some.spaces["x"].drawn(some["x"])
    rows, hidden, asked = edit_tasks(pictures, some["text"])
    assert len(rows) > 8 and hidden.shape == (len(rows), 1, 16, 16)
    for picture, mask, old, new in zip(pictures[rows], hidden, some["text"][rows], asked, strict=True):
        first = parse(decode([old])[0]).kinds[0]
        assert parse(decode([new])[0]).kinds[0] == first and not parse(decode([new])[0]).withheld
        left = read(np.where(mask, picture, 0))
        assert not left.complaints and [first.fits(thing) for thing in left.scene] == [True]
    made = redrawn_measures(lambda x, m, text: np.stack(list(map(pasted, pictures[rows], m, decode(text)))), some["x"],
                            pictures, some["text"])
    assert [measure.value for measure in made] == [1, 0, 0]
    nothing = redrawn_measures(lambda x, m, text: np.where(m, pictures[rows], 0), some["x"], pictures, some["text"])
    assert [measure.value for measure in nothing] == [0, 0, 0]
    other = redrawn_measures(lambda x, m, text: 0 * pictures[rows], some["x"], pictures, some["text"])
    assert other[2].value > 0


@pytest.mark.parametrize("call, message", [
    (lambda: build_editor().redraw(batch(4)["x"], masks(3), CAPTIONS, None), "redraw: 4 images (4, 3, 8, 8), 4 captions, and m is bool of shape (3, 1, 8, 8)"),
    (lambda: build_editor().redraw(batch(4)["x"], masks(4), CAPTIONS[:2], None), "give a caption and a mask (1, H, W) of booleans"),
    (lambda: build(p_uncond=1.0), "GLIDE: p_uncond is 1.0, expected between 0 and 1"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)


# An encoder that is trained along


def alike(std, steps=80):
    """The mean cosine of what the encoder makes of four captions, after a few steps at the rate of the recipe."""
    shapes, rng = data.load("shapes16", "valid"), backend.rng(0)
    encoder = TextEncoder(TEXT, width=16, blocks=1, heads=2, std=std, rng=rng)
    network = UNet(3, width=8, multipliers=(1, 2), blocks=1, groups=4, attention=(1,), condition=16, context=16,
                   patch=2, rng=rng)
    model = GLIDE(network, encoder, SCHEDULE, shapes.spaces["x"])
    train(Run(one_stage(model, adam(2e-3), steps=steps, batch_size=16), shapes, rng=rng))
    with no_grad():
        h = encoder.end(encode(["a red circle", "two blue squares", "a cross above a circle",
                                "a small yellow triangle at the left"])).numpy()
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    return (h @ h.T)[np.triu_indices(4, 1)].mean()


def test_words_that_begin_small_run_to_one_point_at_the_rate_of_a_network_that_draws():
    assert alike(0.02) > 0.9 and alike(1.0) < 0.75
    shapes = data.load("shapes16", "valid")
    encoder = find("glide").plan(shapes, backend.rng(0)).model.encoder
    assert encoder.token.weight.numpy().std() == pytest.approx(1, abs=0.1)
