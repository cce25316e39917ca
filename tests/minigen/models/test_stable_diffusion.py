"""Stable Diffusion: what the words say reaches the places of the picture, padding and the null say nothing, an edit of
strength 0 changes nothing. What goes wrong elsewhere is a broken model here, in which each check finds it."""
import numpy as np
import pytest
from scipy import ndimage

from autograd import Tensor, backend, grad
from autograd.backend import normal, to_numpy
from minigen import data
from minigen.data.shapes.captions import VOCABULARY, encode
from minigen.data.shapes.drawing import COLOURS, RGB
from minigen.diffusion import FirstStage, cosine_schedule
from minigen.judges import judge_reconstructions
from minigen.models.autoencoders import KLAutoencoder
from minigen.models.text_to_image import StableDiffusion
from minigen.nn import Embedding, Frozen, Module, UNet
from minigen.nn.blocks import watching
from minigen.shapes_judge import looking_measure
from minigen.text_to_image import TextEncoder
from minigen.text_to_image.text_encoder import end_of

CAPTIONS = encode(["a red circle", "a small blue square left of a green cross", "two cyan triangles"])


@pytest.fixture(scope="module")
def shapes():
    return data.load("shapes16", "valid").first(60)


def build(shapes, model=StableDiffusion, seed=0, reader=None, told="context", **arguments):
    """A model whose network does not begin as 0."""
    rng, text = backend.rng(seed), shapes.spaces["text"]
    stage = FirstStage(Frozen(KLAutoencoder(shapes.spaces["x"], width=8, halvings=2, rng=rng)))
    reader = reader or TextEncoder(text, width=16, blocks=1, heads=2, rng=rng)
    network = UNet(4, width=8, multipliers=(1, 2), blocks=1, attention=(0, 1), groups=4, rng=rng, **{told: reader.width})
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.2 * normal(rng, p.shape)
    stage = stage.scaled_by(shapes["x"], rng)
    return model(stage, Frozen(reader), network, cosine_schedule(100), **{"steps": 5, **arguments})


def said(model, text, seed=3):
    """What the network says of noise, told these captions."""
    z_t = normal(backend.rng(seed), (len(text), *model.first_stage.shape))
    return model.network(Tensor(z_t), np.full(len(text), 40), **model.told(text)).numpy()


class LooksAtPadding(StableDiffusion):
    """Trap: tokens after the end are looked at."""

    def told(self, text):
        return {"context": super().told(text)["context"]}


class Babbles(TextEncoder):
    """An encoder that says something else after the end of each caption."""

    def forward(self, text):
        after = np.arange(text.shape[1]) > end_of(text)[:, None]
        return super().forward(text) + Tensor(np.float32(3.0 * after[..., None]))


def test_nothing_looks_at_padding(shapes):
    """Whatever the encoder says after the end, the network says the same."""
    for kind in (StableDiffusion, LooksAtPadding):
        quiet, loud = (build(shapes, kind, reader=reader(shapes.spaces["text"], 16, 1, 2, rng=backend.rng(5)))
                       for reader in (TextEncoder, Babbles))
        same = np.abs(said(quiet, CAPTIONS) - said(loud, CAPTIONS)).max() < 1e-5
        assert same == (kind is StableDiffusion)


class BagOfWords(Module):
    """An encoder whose words know nothing of each other but their places; all of the caption is the mean of its words,
    which is about what CLIP makes of one."""

    def __init__(self, space, width, *, rng):
        self.space, self.width, self.token = space, width, Embedding(space.levels, width, rng=rng)
        self.place = Embedding(space.size, width, rng=rng)

    def forward(self, text):
        return self.token(text) + self.place.weight

    def end(self, text):
        return self.token(text).mean(axis=1)


class Pooled(StableDiffusion):
    """The ablation: one vector for all of the caption in the place of cross-attention."""

    def told(self, text):
        return {"condition": self.encoder.end(text).detach()}


def test_cross_attention_tells_apart_what_a_pooled_vector_does_not(shapes):
    """The same words about other objects."""
    two = encode(["a red circle above a blue cross", "a blue circle above a red cross"])
    reader = BagOfWords(shapes.spaces["text"], 16, rng=backend.rng(5))
    same_noise = lambda model: np.concatenate([said(model, two[:1]), said(model, two[1:])])
    attends, pools = build(shapes, reader=reader), build(shapes, Pooled, reader=reader, told="condition")
    for model, differs in ((attends, True), (pools, False)):
        first, second = same_noise(model)
        assert (np.abs(first - second).max() > 1e-3) == differs


def test_who_is_dropped_is_told_the_null_that_sampling_has(shapes):
    """Three ways to say nothing are one: dropped in training, no context in sampling, whatever the caption was."""
    model = build(shapes)
    z_t, t = normal(backend.rng(1), (3, *model.first_stage.shape)), np.array([5, 50, 90])
    dropped = model.network(Tensor(z_t), t, **model.told(CAPTIONS), dropped=np.ones(3, bool)).numpy()
    nothing = model.network(Tensor(z_t), t).numpy()
    np.testing.assert_allclose(dropped, nothing, atol=1e-4)
    empty = model.network(Tensor(z_t), t, **model.told(encode([""] * 3))).numpy()  # the trap: "" is another caption
    assert np.abs(empty - nothing).max() > 1e-2


def test_the_null_learns_and_the_encoder_does_not(shapes):
    model = build(shapes, p_uncond=0.5)
    batch = shapes.batch(np.arange(16))
    null, params = model.network.null_context, model.players()[0].params
    assert any(null is p for p in params) and len(params) == len(model.parameters()) == len(model.network.parameters())
    assert np.abs(grad(model.loss(batch, backend.rng(2))["L_LDM"], null).numpy()).max() > 0
    assert all(name.startswith(("network.", "first_stage.sd")) for name in model.state_dict())


def test_captions_are_dropped_each_on_its_own(shapes):
    shares, model = [], build(shapes, p_uncond=0.3)
    inner = model.network
    forward = inner.forward
    inner.forward = lambda *args, dropped, **told: shares.append(dropped.mean()) or forward(*args, **told)
    for seed in range(6):
        model.loss(shapes.batch(np.arange(60)), backend.rng(seed))
    assert abs(np.mean(shares) - 0.3) < 0.1 and np.std(shares) < 0.15


class TellsItsCaption(Module):
    """A network that says of every latent, led by no caption, v of the latent 1, and with one that of 2."""

    def __init__(self, schedule):
        self.schedule = schedule

    def forward(self, z_t, t, context=None, padding=None):
        level = self.schedule.level(t)
        a, s = (np.float32(number).reshape(-1, 1, 1, 1) for number in (level.a, level.s))
        z_0 = 1.0 if context is None else 2.0
        return Tensor(a * (z_t.data - a * z_0) / s - s * z_0)


def test_guidance_goes_w_beyond_the_caption(shapes):
    """(1 + w) 2 - w 1 = 2 + w, not clipped; with s = 1 + w for w it would be one less."""
    model = build(shapes)
    model.network = TellsItsCaption(model.schedule)
    stage, z = model.first_stage, normal(backend.rng(0), (3, *model.first_stage.shape))
    for w in (0.0, 4.0):
        z_0 = model.sampler(model.guided(CAPTIONS, w), z, model.levels, rng=None)
        np.testing.assert_allclose(to_numpy(z_0), 2.0 + w, atol=1e-3)
    np.testing.assert_allclose(model.sample(3, backend.rng(1), text=CAPTIONS, w=1.0),
                               stage.images(np.full_like(z, 3.0)), atol=1e-3)
    np.testing.assert_allclose(model.sample(2, backend.rng(1)), stage.images(np.full_like(z[:2], 1.0)), atol=1e-3)


def test_an_edit_of_strength_0_gives_the_picture_back_and_of_1_forgets_it(shapes):
    model = build(shapes)
    x, other = shapes["x"][:3], shapes["x"][3:6]
    np.testing.assert_array_equal(model.edit(x, CAPTIONS, 0.0, backend.rng(0)), model.first_stage.reconstruct(x))
    assert model.edit(x, CAPTIONS, 0.4, backend.rng(0)).shape == x.shape
    model.network = TellsItsCaption(model.schedule)
    distance = lambda strength: np.abs(model.edit(x, CAPTIONS, strength, backend.rng(0), w=0.0)
                                       - model.edit(other, CAPTIONS, strength, backend.rng(0), w=0.0)).max()
    assert distance(1.0) < 0.01 < distance(0.0)
    for strength, steps in ((0.4, 2), (0.6, 3), (1.0, 5)):  # of five
        begun = []
        model.sampler = lambda denoise, z, levels, rng, begun=begun: begun.append(levels) or z
        model.edit(x, CAPTIONS, strength, backend.rng(0))
        assert begun == [model.levels[-1 - steps:]]


def test_where_it_looked_sums_to_one_over_the_words(shapes):
    model = build(shapes)
    images, maps = model.attended(CAPTIONS, backend.rng(4), w=2.0)
    assert maps.shape == (3, CAPTIONS.shape[1], 16, 16) and maps.min() >= 0
    np.testing.assert_allclose(maps.sum(axis=1), 1.0, atol=1e-4)
    beyond = np.arange(CAPTIONS.shape[1]) > end_of(CAPTIONS)[:, None]
    assert maps[beyond].max() == 0.0 < maps[~beyond].min()
    np.testing.assert_allclose(images, model.sample(3, backend.rng(4), text=CAPTIONS, w=2.0), atol=1e-3)
    with watching(model.network) as seen:
        said(model, CAPTIONS)
    layers = len(seen)
    said(model, CAPTIONS)
    assert layers == len(seen) == 7  # watched no longer


def test_the_iou_of_a_map_that_is_the_object_is_one_and_of_others_small(shapes):
    """Maps that look at each colour's word where the picture has that colour, and ones that look everywhere."""
    x, text = shapes.spaces["x"].drawn(shapes["x"]), shapes["text"]
    right = np.zeros((len(x), text.shape[1], 16, 16), np.float32)
    for i, row in enumerate(text):
        for at, token in enumerate(row):
            if VOCABULARY[token] in COLOURS:
                rgb = RGB[COLOURS.index(VOCABULARY[token])]
                right[i, at] = (np.abs(x[i] - rgb[:, None, None]).max(axis=0) < 0.5)
    found = looking_measure(x, text, right)
    assert found.value > 0.85 and float(found.detail.split()[-1]) < 0.3
    assert looking_measure(x, text, np.ones_like(right)).value < 0.2
    assert looking_measure(np.zeros_like(x), text, right).value == 0.0  # nothing was drawn


def test_what_the_autoencoder_loses_is_measured_beside_what_is_drawn():
    """Captions are true of pictures as they are, and of blurred ones less often: decoders are told from diffusions."""
    valid = data.load("shapes16", "valid").first(110)
    x = valid.spaces["x"].drawn(valid["x"])
    for pictures, least, most in ((x, 1.0, 1.0), (ndimage.gaussian_filter(x, (0, 0, 1.5, 1.5)), 0.0, 0.8)):
        accuracy, flagged = judge_reconstructions(pictures, valid, valid)
        assert accuracy.name == "reconstructions: caption accuracy" and least <= accuracy.value <= most
        assert flagged.name == "reconstructions: flagged"
    assert judge_reconstructions(x[:50], valid, valid.first(50)) == []


def test_samples_and_measures(shapes):
    model = build(shapes)
    assert model.sample(0, backend.rng(0), text=CAPTIONS[:0]).shape == (0, 3, 16, 16)
    x = model.sample(3, backend.rng(0), text=CAPTIONS)
    assert x.shape == (3, 3, 16, 16) and 0 <= x.min() < x.max() <= 1
    deviation, own, more = model.measure(shapes.columns, backend.rng(0))
    assert 0.95 < deviation.value < 1.05 and own.value > 0 and more.half_width is not None
    text = shapes["text"]
    model.told = lambda told: {"others": (told != text).any(axis=1)}
    model.error = lambda z_0, rng, others: Tensor(2.0 * rng.random(len(z_0)) + 3.0 * others)
    _, own, more = model.measure(shapes.columns, backend.rng(0))  # with the same noise 3 more under another's caption
    assert abs(own.value - 1) < 0.5 and more.value == pytest.approx(3 * (np.roll(text, 1, axis=0) != text).any(axis=1).mean())


@pytest.mark.parametrize("call, message", [
    (lambda shapes: build(shapes, w=-1.0), "w is -1.0, expected at least 0"),
    (lambda shapes: build(shapes, p_uncond=1.0), "p_uncond is 1.0, expected between 0 and 1"),
    (lambda shapes: StableDiffusion(None, None, None, None), "first_stage is a NoneType and encoder a NoneType"),
    (lambda shapes: build(shapes).sample(2, backend.rng(0), text=CAPTIONS), "3 captions for 2 images; give one for"),
    (lambda shapes: build(shapes).sample(1, backend.rng(0), text=CAPTIONS[:1] + 99), "text holds values from"),
    (lambda shapes: build(shapes).edit(shapes["x"][:1], CAPTIONS[:1], 1.5, backend.rng(0)), "strength is 1.5, expected"),
])
def test_mistakes_are_named(shapes, call, message):
    with pytest.raises(ValueError) as error:
        call(shapes)
    assert message in str(error.value) and "\n" not in str(error.value)
