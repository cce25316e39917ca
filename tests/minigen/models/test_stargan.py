"""StarGAN: each term on the tensors that its equation names, and edits by the exact reader."""
import numpy as np
import pytest

from autograd import as_tensor, grad
from autograd.backend import asarray, rng
from minigen import data, recipes
from minigen.data import Space
from minigen.evaluate import evaluate
from minigen.judges import edit_measures
from minigen.models.adversarial import StarDiscriminator, StarGAN
from minigen.nn import Module

SPACE, LABELS = Space((3, 16, 16), 256), Space((5,), 2)


class Painted(Module):
    """G: the image moved to what the first label says, by an amount that can be learned or broken."""

    def __init__(self, amount=1.0):
        self.amount = amount

    def forward(self, x):
        return x[:, :3] + self.amount * (x[:, 3:4] - 0.5)


class Reads(Module):
    """D: patches are the image's means; the name of each label is read off the image's mean."""

    def forward(self, x):
        x = as_tensor(x)
        m = x.mean(axis=(1, 2, 3))
        return x[:, :1, :2, :2], m[:, None] * asarray(np.arange(1.0, 6)[None])


def model(G=None, **settings):
    return StarGAN(G or Painted(), Reads(), SPACE, LABELS, **settings)


def batch(n=8, seed=0):
    noise = np.random.default_rng(seed)
    return {"source": noise.integers(0, 256, (n, 3, 16, 16)), "labels": noise.integers(0, 2, (n, 5))}


def cross_entropy(logits, labels):
    return (np.logaddexp(0, logits) - labels * logits).sum(axis=1).mean()


def parts(columns, seed):
    """x on [-1, 1], its labels, the labels asked for."""
    own = columns["labels"].astype(float)
    return 2 * columns["source"] / 255 - 1, own, own[rng(seed).permutation(len(own))]


def test_the_discriminator_names_real_images_only():
    """Eq. 2, of x with its own labels. The trap: if D is taught on G's images too, the term changes with G."""
    columns = batch()
    x, own, _ = parts(columns, 4)
    logits = x.mean(axis=(1, 2, 3))[:, None] * np.arange(1, 6)
    values = [model(Painted(amount)).discriminator_loss(columns, rng(4))["L_cls^r"].item() for amount in (0.0, 3.0)]
    assert values == pytest.approx([cross_entropy(logits, own)] * 2, rel=1e-5)

    class Broken(StarGAN):
        def discriminator_loss(self, batch, rng):
            x, own, asked = self.triple(batch, rng)
            return {"L_cls^r": self.names(self.D(x)[1], own) + self.names(self.D(self.edit(x, asked))[1], asked)}

    values = [Broken(Painted(amount), Reads(), SPACE, LABELS).discriminator_loss(columns, rng(4))["L_cls^r"].item()
              for amount in (0.0, 3.0)]
    assert abs(values[0] - values[1]) > 0.1


def test_the_generator_is_named_by_what_was_asked_and_returns_to_what_was():
    """Eqs. 3, 4 and 6. The trap: names of the wrong tensor."""
    columns = batch()
    x, own, asked = parts(columns, 4)
    terms = model(cls=2.0, rec=3.0).generator_loss(columns, rng(4))
    drawn = x + (asked[:, :1, None, None] - 0.5)
    logits = drawn.mean(axis=(1, 2, 3))[:, None] * np.arange(1, 6)
    back = drawn + (own[:, :1, None, None] - 0.5)
    L_cls, L_rec = cross_entropy(logits, asked), abs(x - back).mean()
    assert terms["L_cls^f"].item() == pytest.approx(L_cls, rel=1e-4)
    assert terms["L_rec"].item() == pytest.approx(L_rec, rel=1e-4)
    total = 2 * L_cls + 3 * L_rec - drawn[:, :1, :2, :2].mean()
    assert terms["L_adv + L_cls + L_rec"].item() == pytest.approx(total, rel=1e-4)
    assert abs(cross_entropy(logits, own) - L_cls) > 1e-3  # own labels would be another number


def test_the_critic_is_held_by_the_penalty():
    """Eq. 7: the slope of D_src's mean over patches, here 1 / 4 at four pixels: |grad| = 1 / 2."""
    terms = model(gp=7.0, cls=0.0).discriminator_loss(batch(), rng(4))
    assert terms["penalty"].item() == pytest.approx(0.25, rel=1e-4)
    assert terms["-L_adv + L_cls"].item() == pytest.approx(7 * 0.25 - terms["distance"].item(), rel=1e-4)
    D, G = model().players()
    assert (D.repeat, G.repeat) == (5, 1)


def test_the_labels_reach_every_pixel_and_the_gradient_both_players():
    edits, noise = data.load("face_edits").first(16), rng(0)
    m = recipes.find("stargan").plan(edits, noise).model
    for player in m.players():
        loss = next(iter(player.loss(edits.columns, rng(1)).values()))
        assert all(np.abs(g.numpy()).max() > 0 for g in grad(loss, player.params))
    one, other = edits["edit"][:4].copy(), edits["edit"][:4].copy()
    other[:, 4] = 1 - other[:, 4]
    a, b = (m.translate(edits["source"][:4], bits) for bits in (one, other))
    assert a.shape == (4, 3, 16, 16) and ((a != b).any(axis=1)).mean() > 0.9


def test_only_edits_that_change_something_tell():
    """The trap: a G that does nothing has every label that was to stay, so three in five of all; and none of the edits.
    The true faces have all; with the glasses of others about half of those."""
    edits = data.load("face_edits", "test")
    rows = np.r_[:25, 250:275]
    test = data.Dataset("face_edits", "test", edits.batch(rows), edits.spaces, "some")
    made, kept = edit_measures(test["x"] / 255, test)
    assert (made.value, kept.value) == (1, 1)
    made, kept = edit_measures(test["source"] / 255, test)
    assert made.value < 0.06 and kept.value == 1  # hair under a hat has any colour
    assert "hair, glasses, hat" in made.detail
    made, kept = edit_measures(np.roll(test["x"], 1, axis=0) / 255, test)
    assert 0.2 < made.value < 0.8 and 0.2 < kept.value < 0.8


def test_it_is_evaluated_with_everything():
    edits, noise = data.load("face_edits", "valid").first(12), rng(0)
    m = recipes.find("stargan").plan(edits, noise).model.eval()
    names = [measure.name for measure in evaluate(m, edits, rng(1), edits)]
    assert names == ["cycle L1", "L1", "top-1", "saturation", "edits made", "others kept", "energy distance"]


@pytest.mark.parametrize("call, message", [
    (lambda: StarGAN(None, None, SPACE, Space((), 10)), r"labels have shape \(\) and 10 levels, expected \(K,\) and 2"),
    (lambda: model(n_critic=0), "n_critic is 0"),
    (lambda: model().generator_loss({"x": np.zeros((2, 3, 16, 16))}, rng(0)), "expected source and its labels"),
    (lambda: model().translate(batch()["source"], np.full((8, 5), 2)), "edit holds values from 2 to 2"),
    (lambda: StarDiscriminator((3, 12, 12), 5, rng=rng(0)), "12 x 12 pixels cannot be halved 3 times"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
