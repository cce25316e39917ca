"""DCGAN: the networks' shapes and what the paper asks of them, another implementation, and data of other sizes."""

import numpy as np
import pytest
from scipy.special import expit

from autograd import Tensor, conv_transpose2d, grad, leaky_relu, softplus
from autograd.backend import rng, to_numpy
from minigen import data, judges, recipes
from minigen.data import Space
from minigen.data.images import CLOTHES
from minigen.evaluate import evaluate
from minigen.models.adversarial import GAN, ConvDiscriminator, ConvGenerator
from minigen.models.adversarial.dcgan import kernel
from minigen.models.classifiers import pretrained
from minigen.nn import BatchNorm2d, Conv2d, ConvTranspose2d, Linear
from minigen.train import Run, train

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 5, 5), (2, 9, 14), (1, 64, 33)]


def layers(module, *kinds):
    return [layer for _, layer in module.named_modules() if isinstance(layer, kinds)]


# The networks


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_there_and_back(shape):
    G, D = ConvGenerator(7, shape, width=2, rng=rng(0)), ConvDiscriminator(shape, width=2, rng=rng(0))
    z = rng(1).standard_normal((3, 7), dtype=np.float32)
    x = G(z)
    assert x.shape == (3, *shape) and np.abs(x.data).max() <= 1
    assert D(x).shape == (3,)


@pytest.mark.parametrize("shape, sizes", [
    ((1, 32, 32), [(32, 32), (16, 16), (8, 8), (4, 4)]),
    ((1, 28, 28), [(28, 28), (14, 14), (7, 7), (4, 4)]),
    ((1, 8, 8), [(8, 8), (4, 4), (2, 2)]),
    ((1, 5, 9), [(5, 9), (3, 5), (2, 3)]),
])
def test_feature_maps(shape, sizes):
    """As the file's table says: the sides, and channels that double."""
    G, D = ConvGenerator(7, shape, width=4, rng=rng(0)), ConvDiscriminator(shape, width=4, rng=rng(0))
    assert G.first[1:] == sizes[-1]
    for network, x, kind, expected in ((D, Tensor(np.zeros((2, *shape), np.float32)), Conv2d, sizes),
                                       (G, Tensor(np.zeros((2, *G.first), np.float32)), ConvTranspose2d, sizes[::-1])):
        seen = [x.shape[2:]]
        for layer in network.net:
            x = layer(x)
            seen += [x.shape[2:]] * isinstance(layer, kind)
        assert seen == expected
    channels = [4 * 2**i for i in range(len(sizes) - 1)]
    assert [layer.weight.shape[0] for layer in layers(D, Conv2d)] == channels
    assert [layer.weight.shape[0] for layer in layers(G, ConvTranspose2d)] == channels[::-1]
    assert G.first == (channels[-1], *sizes[-1])


def test_even_sides_are_covered_equally_often():
    """A map of ones through a filter of ones: every pixel inside the image has as many contributions as any other.
    With the filter of an odd side, 3, it is a checkerboard."""
    for size, patterns in (16, 1), (15, 3):
        k = kernel((size, size))
        drawn = conv_transpose2d(np.ones((1, 1, 8, 8)), np.ones((1, 1, *k)), stride=2, padding=1).data[0, 0]
        assert drawn.shape == (size, size)
        assert len(np.unique(drawn[1:-1, 1:-1])) == patterns


def test_what_the_paper_asks():
    """Weights from N(0, 0.02^2); normalization everywhere but at G's output and D's input; no bias before it."""
    G, D = ConvGenerator(64, (1, 28, 28), 32, rng=rng(0)), ConvDiscriminator((1, 28, 28), 32, rng=rng(0))
    for network in G, D:
        weighted = layers(network, Conv2d, ConvTranspose2d, Linear)
        weights = np.concatenate([layer.weight.data.ravel() for layer in weighted])
        n = len(weights)
        assert abs(weights.mean()) < 4 * 0.02 / np.sqrt(n) and abs(weights.std() / 0.02 - 1) < 4 / np.sqrt(2 * n)
        assert all(layer.bias is None or (layer.bias.data == 0).all() for layer in weighted)
    assert [layer.weight.shape[0] for layer in layers(G, BatchNorm2d)] == [128, 64, 32]  # before each convolution
    assert [layer.weight.shape[0] for layer in layers(D, BatchNorm2d)] == [64, 128]  # after each but the first
    assert [layer.bias is None for layer in layers(D, Conv2d)] == [False, True, True]
    assert [layer.bias is None for layer in layers(G, ConvTranspose2d)] == [True, True, False]


def test_without_normalization_signals_keep_their_size():
    """The critic's weights are He's: from layer to layer the mean square stays within a factor of two."""
    D = ConvDiscriminator((3, 32, 32), 32, norm=None, rng=rng(0))
    assert not layers(D, BatchNorm2d) and all(layer.bias is not None for layer in layers(D, Conv2d))
    x = Tensor(rng(1).standard_normal((20, 3, 32, 32), dtype=np.float32))
    for layer in layers(D, Conv2d):
        y = leaky_relu(layer(x), 0.2)
        assert 0.5 < (y.data[:, :, 1:-1, 1:-1] ** 2).mean() / (x.data**2).mean() < 2  # less at the edge: zeros there
        x = y


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 9, 8)])
def test_the_same_networks_in_another_implementation(shape, training):
    """Outputs, and G's gradients through D, to float32 rounding, in PyTorch by its functions."""
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    G, D = ConvGenerator(6, shape, 4, rng=rng(0)), ConvDiscriminator(shape, 4, rng=rng(1))
    for network in G, D:
        network.train(training)
        for layer in layers(network, Conv2d, ConvTranspose2d, Linear):
            layer.weight.data *= 10  # 0.02 makes all numbers tiny
    z = rng(2).standard_normal((5, 6), dtype=np.float32)

    leaves = {}

    def tensor(p):
        return None if p is None else leaves.setdefault(id(p), torch.tensor(p.numpy(), requires_grad=True))

    def normalized(layer, x):
        mean, var = (torch.tensor(to_numpy(a)) for a in (layer.running_mean, layer.running_var))
        return F.batch_norm(x, mean, var, tensor(layer.weight), tensor(layer.bias), training)

    h = F.linear(torch.tensor(z), tensor(G.project.weight)).reshape(-1, *G.first)
    for norm, layer in zip(layers(G, BatchNorm2d), layers(G, ConvTranspose2d)):
        h = F.relu(normalized(norm, h))
        h = F.conv_transpose2d(h, tensor(layer.weight), tensor(layer.bias), stride=2, padding=1)
    image = torch.tanh(h)
    h = image
    for layer, norm in zip(layers(D, Conv2d), [None, *layers(D, BatchNorm2d)]):
        h = F.conv2d(h, tensor(layer.weight), tensor(layer.bias), stride=2, padding=1)
        h = F.leaky_relu(normalized(norm, h) if norm else h, 0.2)
    logit = F.linear(h.flatten(1), tensor(D.logit.weight), tensor(D.logit.bias))[:, 0]
    F.softplus(-logit).mean().backward()

    x = G(z)
    a = D(x)
    np.testing.assert_allclose(x.numpy(), image.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(a.numpy(), logit.detach().numpy(), atol=1e-4, rtol=1e-4)
    gradients = grad(softplus(-a).mean(), G.parameters())
    for p, g in zip(G.parameters(), gradients):
        expected = leaves[id(p)].grad.numpy()
        np.testing.assert_allclose(g.numpy(), expected, atol=2e-4 * np.abs(expected).max() + 1e-6)


# The players


def test_each_side_of_a_batch_is_normalized_on_its_own():
    """D sees examples and samples in two passes: what it says of the examples does not depend on the samples."""
    digits = data.load("digits").first(20)
    space = digits.spaces["x"]
    model = GAN(ConvGenerator(4, space.shape, 4, rng=rng(0)), ConvDiscriminator(space.shape, 4, rng=rng(0)), space)
    first, second = (model.discriminator_loss(digits.columns, rng(seed))["D(x)"].item() for seed in (1, 2))
    logits = model.discriminator(space.signed(digits["x"])).numpy()
    assert first == second == pytest.approx(expit(logits).mean(), rel=1e-6)


def test_in_eval_mode_samples_do_not_depend_on_each_other():
    G = ConvGenerator(4, (1, 8, 8), 4, rng=rng(0))
    z = rng(1).standard_normal((30, 4), dtype=np.float32)
    assert np.abs(G(z).numpy()[:5] - G(z[:5]).numpy()).max() > 1e-3  # in training they do
    G.eval()
    np.testing.assert_allclose(G(z).numpy()[:5], G(z[:5]).numpy(), atol=1e-6)


def trained(dataset, steps, name):
    """The run of a recipe, after so many steps."""
    g = rng(0)
    return train(Run(recipes.find(name).plan(dataset, g), dataset, rng=g, steps=steps))


# Data of the shape of Fashion-MNIST, where the set itself need not be at hand


def wardrobe(split, N):
    """N bright rectangles, one width and height per class, of the shape and the classes of Fashion-MNIST."""
    at = np.arange(28)
    kinds = [(abs(at - 14) < 4 + k)[:, None] & (abs(at - 14) < 13 - k) for k in range(10)]
    y = np.arange(N) % 10
    x = (np.uint8(200) * np.stack(kinds).astype(np.uint8))[y, None]
    spaces = {"x": data.Space((1, 28, 28), 256), "y": data.Space((), 10, CLOTHES)}
    return data.Dataset("fashion_mnist", split, {"x": x, "y": y}, spaces, f"rectangles, {split}")


@pytest.fixture(scope="module")
def clothes():
    return wardrobe("train", 6000)


@pytest.mark.parametrize("name", ["gan", "dcgan", "wgan_gp"])
def test_on_the_shape_of_fashion_mnist(name, clothes):
    run, test = trained(clothes, 2, name), wardrobe("test", 50)
    with run.evaluating():
        samples = run.model.sample(20, rng(1))
        (distance,) = evaluate(run.model, test, rng(2), train=clothes)  # no classifier of clothes is shipped
    assert samples.shape == (20, 1, 28, 28) and 0 <= samples.min() <= samples.max() <= 1
    assert distance.name == "energy distance" and distance.value > 0


@pytest.mark.slow
def test_it_learns_images_of_28_pixels(clothes):
    """A hundred steps: the energy distance falls to less than a fifth of what it is at first."""
    distances = []
    for steps in 1, 100:
        run = trained(clothes, steps, "dcgan")
        with run.evaluating():
            distances.append(evaluate(run.model, clothes.first(500), rng(1), train=clothes)[-1].value)
    assert distances[1] < 0.2 * distances[0]


@pytest.mark.slow
def test_digits_become_legible():
    """After a fifth of the recipe's steps, by the classifier: clearly more so than images each of whose pixels is that
    of a digit, but of another digit each."""
    digits, test = data.load("digits"), data.load("digits", "test")
    run, judge = trained(digits, 600, "dcgan"), pretrained("digits").judge
    seen, real = (split.spaces["x"].drawn(split["x"]) for split in (digits, test))
    with run.evaluating():
        samples = run.model.sample(len(real), rng(1))
    drawn, mixed = ({measure.name: measure.value for measure in judges.image_measures(judge, images, seen, real)}
                    for images in (samples, rng(2).permuted(real, axis=0)))
    assert drawn["legibility"] > mixed["legibility"] + 0.1 and drawn["classes"] == 10
    assert drawn["Frechet distance"] < mixed["Frechet distance"] / 5


@pytest.mark.parametrize("make, message", [
    (lambda g: GAN(ConvGenerator(4, (1, 28, 28), 4, rng=g), ConvDiscriminator((1, 32, 32), 4, rng=g),
                   Space((1, 28, 28), 256)),
     r"GAN: the opponent takes examples of shape \(1, 32, 32\), the data's have \(1, 28, 28\); build both"),
    (lambda g: GAN(ConvGenerator(4, (3, 8, 8), 4, rng=g), ConvDiscriminator((1, 8, 8), 4, rng=g),
                   Space((1, 8, 8), 256)),
     r"generator makes examples of shape \(3, 8, 8\), the data's have \(1, 8, 8\)"),
    (lambda g: ConvGenerator(4, (1, 4, 8), rng=g), r"ConvGenerator: shape is \(1, 4, 8\), expected .* at least 5 x 5"),
    (lambda g: ConvDiscriminator((2,), rng=g), r"ConvDiscriminator: shape is \(2,\), expected an image"),
    (lambda g: ConvGenerator(0, (1, 8, 8), rng=g), "ConvGenerator: latent is 0, expected at least 1"),
    (lambda g: ConvGenerator(4, (1, 8, 8), 0, rng=g), "width is 0, expected at least 1"),
    (lambda g: ConvDiscriminator((1, 8, 8), 0, rng=g), "width is 0, expected at least 1"),
    (lambda g: GAN(ConvGenerator(4, (1, 8, 8), 4, rng=g), ConvDiscriminator((1, 8, 8), 4, rng=g), Space((1, 8, 8), 17))
     .discriminator_loss({"x": np.zeros((4, 1, 28, 28), np.uint8)}, g),
     r"x has shape \(4, 1, 28, 28\), expected \(N, 1, 8, 8\)"),
])
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make(rng(0))
    assert "\n" not in str(error.value)
