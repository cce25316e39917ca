"""The discriminator of patches: what each logit sees, and its layers against torch's."""
import numpy as np
import pytest

from autograd import grad, no_grad, parameter
from autograd.backend import asarray
from minigen.adversarial.patch import PatchDiscriminator, window


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("halvings, seen", [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_window_and_nothing_else(halvings, seen):
    """The gradient of one in the middle: its extent is the paper's patch."""
    side = 2 * seen + 8
    net = PatchDiscriminator((1, side, side), width=2, halvings=halvings, norm=None, rng=rng())
    x = parameter(asarray(rng(1).standard_normal((1, 1, side, side), dtype=np.float32)))
    a = net(x)
    middle = a.shape[2] // 2
    g = np.abs(grad(a[0, 0, middle, middle], x).numpy()[0, 0])
    rows, columns = np.flatnonzero(g.max(axis=1)), np.flatnonzero(g.max(axis=0))
    assert net.window == window(halvings) == seen == np.ptp(rows) + 1 == np.ptp(columns) + 1


def test_it_judges_a_patch_wherever_it_stands():
    """An image moved by one step of the grid moves the logits along."""
    net = PatchDiscriminator((3, 32, 32), width=4, halvings=1, norm=None, rng=rng())
    x = asarray(rng(1).standard_normal((2, 3, 48, 48), dtype=np.float32))  # larger than it was made for
    with no_grad():
        a, b = (net(part).numpy() for part in (x[:, :, :, :40], x[:, :, :, 2:42]))
    np.testing.assert_allclose(a[..., 5:15], b[..., 4:14], atol=1e-5)
    assert a.shape == (2, 1, 22, 18) and np.ptp(a) > 1e-3


@pytest.mark.parametrize("halvings, norm", [(1, "batch"), (3, "batch"), (2, None)])
def test_its_layers_are_those_of_the_paper(halvings, norm):
    torch = pytest.importorskip("torch")
    settings = {} if norm else {"norm": None}
    net = PatchDiscriminator((3, 40, 40), width=4, halvings=halvings, rng=rng(), **settings)
    layers, C = [], 3
    for i in range(halvings + 1):
        O = 4 * 2**i
        layers.append(torch.nn.Conv2d(C, O, 4, 2 if i < halvings else 1, 1, bias=norm is None or i == 0))
        layers += [torch.nn.BatchNorm2d(O)] if norm and i else []
        layers.append(torch.nn.LeakyReLU(0.2))
        C = O
    theirs = torch.nn.Sequential(*layers, torch.nn.Conv2d(C, 1, 4, 1, 1))
    ours = {name.removeprefix("net."): torch.tensor(array) for name, array in net.state_dict().items()}
    theirs.load_state_dict(ours)
    x = rng(1).standard_normal((3, 3, 40, 40), dtype=np.float32)
    np.testing.assert_allclose(net(asarray(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(), atol=1e-5)


def test_initial_weights():
    weight = PatchDiscriminator((3, 32, 32), width=32, halvings=2, rng=rng()).net[2].weight.numpy()
    assert weight.std() == pytest.approx(0.02, rel=0.03) and abs(weight.mean()) < 1e-3
    plain = PatchDiscriminator((3, 32, 32), width=32, halvings=2, norm=None, rng=rng())
    assert plain.net[2].weight.numpy().std() == pytest.approx(np.sqrt(2 / 1.04 / (32 * 16)), rel=0.03)  # slope 0.2
    assert all(not np.any(layer.bias.numpy()) for layer in plain.net if hasattr(layer, "bias"))


@pytest.mark.parametrize("call, message", [
    (lambda: PatchDiscriminator((3, 32, 32), width=0, rng=rng()), "width is 0 and halvings 3, expected at least 1"),
    (lambda: PatchDiscriminator((3, 16, 16), rng=rng()), "at least 24 x 24 pixels for 3 halvings"),
    (lambda: PatchDiscriminator((32,), rng=rng()), r"shape is \(32,\), expected an image"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
