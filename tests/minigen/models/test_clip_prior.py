"""unCLIP's prior: given the exact answer to eq. 2 it draws the vectors' distribution; its traps are shut."""
import math
from types import SimpleNamespace

import numpy as np
import pytest

from autograd import Tensor, backend
from autograd.backend import normal
from minigen.data import Dataset, Space
from minigen.diffusion import cosine_schedule
from minigen.models.text_to_image import ClipPrior
from minigen.models.text_to_image.clip_prior import KEPT_OF
from minigen.optim import adam
from minigen.train import Run, one_stage, train

d, TEXT, IMAGE = 16, Space((3,), 6), Space((3, 4, 4), 256)
SCHEDULE = cosine_schedule(200)


class Pairs:
    """A CLIP by table: the image of gray level g and the caption of first word g have vectors of the same direction but
    for what all images share, and all captions, as CLIP's have."""

    space, text = IMAGE, TEXT

    def __init__(self, shared=0.8):
        rng = np.random.default_rng(3)
        self.W_t = SimpleNamespace(weight=np.zeros((d, 2)))
        unit = lambda v: np.float32(v / np.linalg.norm(v, axis=-1, keepdims=True))
        own, offsets = unit(rng.standard_normal((256, d))), unit(rng.standard_normal((2, d)))
        self.of_image, self.of_text = (unit(own + shared * offset) for offset in offsets)

    def image_vectors(self, x):
        return Tensor(self.of_image[np.rint((np.asarray(x)[:, 0, 0, 0] + 1) * 127.5).astype(int)])

    def text_vectors(self, text):
        return Tensor(self.of_text[text[:, 0]])


def batch(n, seed=0):
    g = np.random.default_rng(seed).integers(1, 6, n)
    return {"x": np.tile(np.uint8(g)[:, None, None, None], (1, 3, 4, 4)), "text": np.stack([g, g * 0, g * 0], axis=1)}


def build(model=ClipPrior, **settings):
    usual = {"width": 16, "blocks": 1, "heads": 2, "steps": 10, "rng": backend.rng(0)}
    return model(Pairs(), SCHEDULE, **usual | settings)


class Exact:
    """E[z_i | z_i^(t), y], the answer to eq. 2, if each caption fits the images of the gray levels `of(caption)`."""

    def __init__(self, prior, of):
        self.vectors, self.of, self.schedule = prior.scale * prior.clip.of_image, of, prior.schedule

    def __call__(self, z, t, text, z_t, dropped):
        a = np.sqrt(self.schedule.alpha_bar[int(t[0])])
        guesses = []
        for row, words in zip(z.data, text):
            some = self.vectors[self.of(words)]
            logs = -((row - a * some) ** 2).sum(axis=1) / (2 * (1 - a * a))
            p = np.exp(logs - logs.max())
            guesses.append(p @ some / p.sum())
        return Tensor(np.float32(guesses))


def test_the_answer_to_equation_2_draws_the_vectors_of_images():
    """Two images fit the caption: its mean is neither, and what is drawn is one or the other, of full length."""
    prior = build(steps=25).eval()
    prior.network = Exact(prior, lambda words: [10 * words[0], 10 * words[0] + 1])
    text = batch(120)["text"]
    z = prior.draw(text, backend.rng(1))
    choices = prior.network.vectors[[[10 * g, 10 * g + 1] for g in text[:, 0]]]  # (N, 2, d)
    far = np.linalg.norm(z[:, None] - choices, axis=-1) / prior.scale
    assert far.min(axis=1).max() < 0.02
    assert 0.05 < (far.argmin(axis=1) == 0).mean() < 0.95
    mean = choices.mean(axis=1)
    assert (np.linalg.norm(mean, axis=1) < 0.95 * prior.scale).all()


def test_the_loss_is_equation_2():
    """An image's own vector is the target, sqrt(d) long; who says it has loss 0, who says nothing has 1."""
    prior, b = build(), batch(30)
    z_i = prior.scale * prior.clip.of_image[b["x"][:, 0, 0, 0]]
    np.testing.assert_allclose(np.linalg.norm(z_i, axis=1), math.sqrt(d), rtol=1e-5)
    np.testing.assert_allclose(prior.of_images(prior.space.signed(b["x"])), z_i, rtol=1e-6)
    for said, loss in (z_i, 0.0), (0 * z_i, 1.0), (-z_i, 4.0):
        prior.network = lambda *told, said=said: Tensor(said)
        assert prior.loss(b, backend.rng(0))["L_prior"].item() == pytest.approx(loss, abs=1e-5)


class Unit(ClipPrior):
    """Vectors as CLIP has them, of length 1."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.scale = 1.0


def readable(model):
    """The share of times t at which z_i^(t) still tells which of the 256 images it is of."""
    prior, rng = build(model), backend.rng(0)
    vectors = prior.scale * prior.clip.of_image
    t = rng.integers(1, SCHEDULE.T + 1, 256)
    z = SCHEDULE.q_sample(vectors, t, normal(rng, vectors.shape))
    a = np.sqrt(SCHEDULE.alpha_bar[t])[:, None, None]
    nearest = ((z[:, None] - a * vectors) ** 2).sum(axis=-1).argmin(axis=1)
    return (nearest == np.arange(256)).mean()


def test_vectors_of_length_1_would_drown_in_unit_noise():
    """They are sqrt(d) long: so there is something to read at many t. At length 1 nothing is left at most."""
    assert readable(ClipPrior) > 0.45 and readable(Unit) < 0.25


class Mean:
    """Says the mean of all images' vectors, whatever the caption, at their length."""

    def __init__(self, prior):
        mean = prior.clip.of_image[1:6].mean(axis=0)
        self.z = np.float32(prior.scale * mean / np.linalg.norm(mean))

    def __call__(self, z, *told, **more):
        return Tensor(np.tile(self.z, (len(z), 1)))


def test_the_cosine_alone_does_not_tell_who_reads():
    """A prior that never reads has a high cosine to the true vector, and to any other: the difference is the measure."""
    prior, b = build(steps=10).eval(), batch(100)
    reads = lambda measures: measures["difference"].value >= 0.3 and abs(measures["length"].value - 1) <= 0.05
    found = []
    for network in Exact(prior, lambda words: [words[0]]), Mean(prior):
        prior.network = network
        found.append({m.name: m for m in prior.measure(b, backend.rng(2))})
    exact, mean = found
    assert reads(exact) and exact["cosine to the true vector"].value > 0.99
    assert not reads(mean) and mean["cosine to the true vector"].value > 0.6
    assert abs(mean["difference"].value) < 0.05


class NormalizesDraws(ClipPrior):
    """What it draws is put on the unit sphere; what it learned from was not."""

    def draw(self, text, rng, w=None):
        z = super().draw(text, rng, w)
        return z / np.linalg.norm(z, axis=1, keepdims=True)


def test_what_is_drawn_has_the_scale_of_what_was_learned_from():
    """And no step between makes it another: the trap of normalizing in sampling but not in training."""
    for model, right in (ClipPrior, True), (NormalizesDraws, False):
        prior, b = build(model).eval(), batch(20)
        prior.network = Exact(prior, lambda words: [words[0]])
        ratio = np.linalg.norm(prior.draw(b["text"], backend.rng(0)), axis=1) / np.linalg.norm(
            prior.of_images(prior.space.signed(b["x"])), axis=1)
        assert (abs(ratio - 1).max() < 0.05) == right
        (length,) = (m.value for m in prior.measure(b, backend.rng(0)) if m.name == "length")
        assert (abs(length - 1) < 0.05) == right


def test_the_draw_that_is_more_like_the_caption_is_kept():
    prior, text = build(steps=2).eval(), batch(40)["text"]
    z_t, offers = prior.of_captions(text), []

    def network(z, t, text, z_t, dropped):  # nothing but the noise that it began with
        offers[:] = offers or [z.data]
        return Tensor(offers[0])

    prior.network = network
    z = prior.draw(text, backend.rng(5))
    pairs = offers[0].reshape(len(text), KEPT_OF, d)
    likeness = (pairs * z_t[:, None]).sum(axis=-1)
    np.testing.assert_allclose((z * z_t).sum(axis=1), likeness.max(axis=1), rtol=1e-4)
    assert (likeness.max(axis=1) > likeness[:, 0] + 0.1).any()


def test_a_caption_that_is_dropped_is_not_read_and_one_that_is_told_is():
    network = build().network
    for p in network.parameters():
        p.assign(p.data + 0.1 * normal(backend.rng(p.size), p.shape))
    z, t = Tensor(normal(backend.rng(1), (2, d))), np.array([50, 100])
    say = lambda text, z_t=0.0, dropped=False: network(z, t, np.array(text), Tensor(np.full((2, d), z_t, np.float32)),
                                                       np.full(2, dropped)).numpy()
    first = say([[1, 2, 0], [3, 0, 0]])
    np.testing.assert_allclose(say([[1, 2, 0], [3, 0, 4]])[1], first[1], atol=1e-5)  # after the end nothing is read
    for other in say([[5, 2, 0], [5, 0, 0]]), say([[1, 2, 0], [3, 0, 0]], z_t=1.0):
        assert (abs(other - first).max(axis=1) > 1e-3).all()
    nothing = say([[1, 2, 0], [3, 0, 0]], dropped=True)
    np.testing.assert_allclose(say([[4, 0, 0], [1, 1, 1]], z_t=2.0, dropped=True), nothing, atol=1e-5)
    assert (abs(nothing - first).max(axis=1) > 1e-3).all()


def test_captions_are_dropped_each_on_its_own_and_guidance_goes_beyond():
    prior, b, shares = build(p_uncond=0.2, steps=2).eval(), batch(50), []
    inner = prior.network.forward
    prior.network.forward = lambda z, t, text, z_t, dropped: shares.append(dropped.mean()) or inner(z, t, text, z_t, dropped)
    rng = backend.rng(0)
    for _ in range(30):
        prior.loss(b, rng)
    assert abs(np.mean(shares) - 0.2) < 0.04 and np.std(shares) < 0.1
    z, level = normal(backend.rng(1), (50, d)), SCHEDULE.level(60)
    told, guided = (prior.denoise(b["text"], w)(z, level) for w in (0.0, 2.0))
    untold = prior.network(Tensor(z), np.full(50, 60), b["text"], Tensor(z), np.ones(50, bool)).numpy()
    np.testing.assert_allclose(guided, 3 * told - 2 * untold, atol=1e-4)


def test_it_learns_to_read():
    b = batch(400, seed=1)
    prior = build(width=16, steps=10)
    train(Run(one_stage(prior, adam(1e-2), steps=60, batch_size=64),
              Dataset("grays", "train", b, {"x": IMAGE, "text": TEXT}, "grays"), rng=backend.rng(1)))
    measures = {m.name: m.value for m in prior.eval().measure(batch(100, seed=2), backend.rng(2))}
    assert measures["difference"] > 0.3 and abs(measures["length"] - 1) < 0.05, measures


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"p_uncond is 0.0, expected between 0 and 1; w is 0.0"):
        build(p_uncond=0.0)
    with pytest.raises(ValueError, match=r"w is -1.0, expected at least 0"):
        build(w=-1.0)
    with pytest.raises(ValueError, match="text holds values from 9 to 9"):
        build().draw(np.full((1, 3), 9), backend.rng(0))
    assert build(steps=2).draw(np.zeros((0, 3), int), backend.rng(0)).shape == (0, d)
