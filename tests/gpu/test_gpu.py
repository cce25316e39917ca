"""On a GPU: every kernel against NumPy in float64 at the sizes it is made for, and whole models against the CPU.

    python -m pytest -m gpu tests                                       # also the whole suite: MINIGEN_DEVICE=cuda
    compute-sanitizer --tool memcheck  python -m pytest -m gpu tests/gpu -k "trio or small"
    compute-sanitizer --tool racecheck python -m pytest -m gpu tests/gpu -k "trio or small"
"""
import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, backend, parameter
from autograd.backend import asarray, to_numpy
from autograd.cpu import convolution as on_cpu
from autograd.geometry import Geometry, output_size
from autograd.gpu import adam, convolution, gemm
from minigen import data, recipes
from minigen.diffusion import linear_schedule, samplers
from minigen.diffusion.captured import fused, philox
from minigen.diffusion.captured.loop import SamplingLoop, TrainingLoop
from minigen.nn.unet import UNet
from minigen.optim import AdamW
from minigen.train import Run

pytestmark = pytest.mark.gpu

# N, C, O, groups, image, kernel, stride, padding, dilation: those of the benchmark, and ragged ones
SHAPES = [
    (128, 32, 32, 1, (28, 28), (3, 3), (1, 1), (1, 1), (1, 1)),
    (128, 64, 64, 1, (14, 14), (3, 3), (1, 1), (1, 1), (1, 1)),
    (128, 128, 128, 1, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1)),
    (16, 128, 128, 1, (32, 32), (3, 3), (1, 1), (1, 1), (1, 1)),
    (128, 1, 32, 1, (28, 28), (3, 3), (1, 1), (1, 1), (1, 1)),
    (64, 32, 64, 1, (28, 28), (4, 4), (2, 2), (1, 1), (1, 1)),
    (7, 48, 36, 1, (13, 17), (3, 2), (2, 1), (1, 0), (1, 2)),
    (5, 24, 40, 4, (11, 9), (3, 3), (2, 3), (2, 1), (2, 1)),
    (5, 7, 11, 1, (5, 6), (1, 1), (1, 1), (0, 0), (1, 1)),
    (9, 70, 70, 70, (15, 14), (3, 3), (2, 1), (1, 1), (1, 1)),
    (1, 512, 512, 1, (4, 4), (3, 3), (1, 1), (1, 1), (1, 1)),
]


@pytest.fixture
def cuda():
    backend.use("cuda")
    yield
    backend.use("cpu")


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(actual, expected, tolerance):
    actual = to_numpy(actual)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max(initial=0.0) <= tolerance * np.abs(expected).max(initial=0.0)


# float32: sums of up to 1e5 products, added in parts: the error of sqrt(1e5) roundings of 6e-8. TF32: 2^-11 per factor.
@pytest.mark.parametrize("kind, dtype, tolerance", [
    ("exact", np.float32, 2e-5), ("tf32", np.float32, 2e-3), ("exact", np.float64, 1e-12)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_trio(shape, kind, dtype, tolerance):
    N, C, O, G, image, kernel, stride, padding, dilation = shape
    output = tuple(map(output_size, image, kernel, stride, padding, padding, dilation))
    geometry = Geometry(image, kernel, output, stride, padding, dilation)
    x, w, y, b, a = (normal(*s, seed=i, dtype=dtype) for i, s in enumerate(
        ((N, C, *image), (O, C // G, *kernel), (N, O, *output), (O,), (C,))))
    for function, *arguments in (("convolve", x, w, b), ("conv_transpose", y, w, a), ("filter_gradient", x, y)):
        backend.use("cpu")
        expected = getattr(on_cpu, function)(*(t.astype(np.float64) for t in arguments), geometry, G)
        backend.use("cuda", tf32=kind == "tf32")
        try:
            assert_close(getattr(convolution, function)(*map(asarray, arguments), geometry, G), expected, tolerance)
        finally:
            backend.use("cpu")


@pytest.mark.parametrize("a, b", [((1000, 300), (300, 77)), ((64, 4, 49, 32), (64, 4, 32, 49)), ((3, 5), (5, 2)),
                                  ((10, 4000), (4000, 10)), ((128, 1, 64), (64, 192))])
@pytest.mark.parametrize("transposed", [False, True])
def test_small_and_large_products(cuda, a, b, transposed):
    a, b = normal(*a), normal(*b, seed=1)
    ours = gemm.matmul(asarray(a), asarray(np.ascontiguousarray(b.swapaxes(-1, -2))).swapaxes(-1, -2)
                       if transposed else asarray(b))
    assert_close(ours, a.astype(np.float64) @ b.astype(np.float64), 1e-5)


def test_small_loop_kernels(cuda):
    seed, step, forward = 0x123456789ABCDEF, asarray(np.array([3], np.int32)), linear_schedule(50)
    x_0, eps_hat = normal(5, 3, 7, 5), normal(5, 3, 7, 5, seed=1)
    t = fused.draw_times(seed, step, 1000, 50)
    np.testing.assert_array_equal(to_numpy(t), philox.times(seed, 3, 1000, 50))
    noise = philox.normals(seed, 3, x_0.shape)
    t = np.array([1, 50, 20, 7, 7], np.int32)
    assert_close(fused.q_sample(asarray(x_0), asarray(t), *fused.signal_table(forward), seed, step),
                 forward_sample(forward, x_0, t, noise), 1e-5)
    loss, gradient = fused.noise_loss(asarray(eps_hat), seed, step)
    assert_close(gradient, 2 / eps_hat.size * (eps_hat - noise), 1e-5)
    np.testing.assert_allclose(loss.item(), ((eps_hat - noise) ** 2).mean(), rtol=1e-5)


def forward_sample(forward, x_0, t, noise):
    alpha_bar = forward.alpha_bar[t].reshape(-1, 1, 1, 1)
    return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise


@pytest.mark.parametrize("in_memory", [False, True])
def test_small_adam(cuda, in_memory):
    step = dict(lr=asarray(np.float32([0.1])), t=asarray(np.int32([4]))) if in_memory else dict(lr=0.1, t=4)
    shapes = [(64, 32, 3, 3), (64,), (7, 5), (0, 3)] * 30
    theta, g, m = ([normal(*s, seed=i + j) for i, s in enumerate(shapes)] for j in (0, 1000, 2000))
    v = [a * a for a in m]
    arrays = [[asarray(a.copy()) for a in arrays] for arrays in (theta, g, m, v)]
    adam.adam(*arrays, **step, scale=0.5, beta1=0.9, beta2=0.99, eps=1e-8, decay=0.1)
    for ours, a, b, c, d in zip(arrays[0], theta, g, m, v):
        m_new, v_new = 0.9 * c + 0.05 * b, 0.99 * d + 0.01 * 0.25 * b * b
        expected = 0.99 * a - 0.1 * m_new / (1 - 0.9**4) / (np.sqrt(v_new / (1 - 0.99**4)) + 1e-8)
        assert_close(ours, expected, 1e-5)


def loss_and_gradients(name, device):
    """Those of the first step of every player of a recipe, as NumPy arrays by name."""
    backend.use(device)
    try:
        recipe, rng, found = recipes.find(name), backend.rng(0), {}
        dataset = data.load(recipe.data)
        plan = recipe.plan(dataset, rng)
        if not plan.stages:
            return found
        run = Run(plan, dataset, rng=rng, captured=False)
        batch = next(run.batches)
        for player in run.players:
            loss = next(iter(player.loss(batch if player.data else run.stage.batch_size, rng).values()))
            found[f"{player.name} loss"] = loss.numpy()
            for i, g in enumerate(ag.grad(loss, player.params)):
                found[f"{player.name} {i}"] = g.numpy()
        return found
    finally:
        backend.use("cpu")


@pytest.mark.parametrize("name", [listed.name for listed in recipes.catalogue()])
def test_models_agree(name):
    """float32 sums in other orders through a whole network: 1e-3 of the largest gradient of an array, and no less than
    1e-5 of the largest of all, for those that are zero but for rounding."""
    ours, expected = (loss_and_gradients(name, device) for device in ("cuda", "cpu"))
    assert ours.keys() == expected.keys()
    largest = max((np.abs(g).max(initial=0.0) for g in expected.values()), default=0.0)
    for key, g in expected.items():
        np.testing.assert_allclose(ours[key], g, rtol=0, atol=1e-3 * np.abs(g).max(initial=0.0) + 1e-5 * largest,
                                   err_msg=key)


def run_loops(device, steps=6):
    """Losses of training steps, parameters after them, and samples."""
    backend.use(device)
    try:
        shape, forward, rng = (8, 1, 8, 8), linear_schedule(50), backend.rng(0)
        net = UNet(1, 1, width=16, multipliers=(1, 2), blocks=1, attention=(1,), rng=rng)
        training = TrainingLoop(net, forward, AdamW(net.parameters(), 1e-3, eps=1e-4), shape, seed=1, clip=1.0)
        losses = [float(training(asarray(normal(*shape, seed=i)))) for i in range(steps)]
        sampling = SamplingLoop(net, forward.levels(7), samplers.move_ancestral, shape, seed=2)
        return losses, [p.numpy() for p in net.parameters()], [to_numpy(sampling()).copy() for _ in range(2)]
    finally:
        backend.use("cpu")


def test_replayed_loops_are_the_loops():
    """Steps 1 and 2 run as they are, the third is captured, the others are replayed: all as on the CPU."""
    for ours, expected in zip(run_loops("cuda"), run_loops("cpu")):
        for a, b in zip(ours, expected):
            np.testing.assert_allclose(a, b, atol=2e-3)


def test_replaying_does_not_touch_other_arrays(cuda):
    x = asarray(normal(4, 1, 8, 8))
    net = UNet(1, 1, width=8, multipliers=(1,), blocks=1, rng=backend.rng(0))
    training = TrainingLoop(net, linear_schedule(10), AdamW(net.parameters(), 1e-3), x.shape, seed=1)
    for _ in range(4):
        training(x)
    others = [asarray(normal(4, 8, 8, 8, seed=i)) for i in range(50)]
    for _ in range(4):
        training(x)
    for i, other in enumerate(others):
        np.testing.assert_array_equal(to_numpy(other), normal(4, 8, 8, 8, seed=i))


def test_the_same_seed_gives_the_same_run(cuda):
    first, second = (run_loops("cuda") for _ in range(2))
    assert first[0] == second[0]
    for a, b in zip(first[1] + first[2], second[1] + second[2]):
        np.testing.assert_array_equal(a, b)


def test_tf32_is_a_switch(cuda):
    a, b = normal(64, 64), normal(64, 64, seed=1)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    product = lambda: to_numpy(ag.matmul(Tensor(asarray(a)), parameter(asarray(b))).data)
    assert np.abs(product() - exact).max() < 1e-4
    backend.use("cuda", tf32=True)
    assert 1e-3 < np.abs(product() - exact).max() < 0.1
