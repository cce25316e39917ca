"""The engine as it runs on a GPU, with its kernels on the CPU: what the ops and the optimizer say there is the same."""
import numpy as np
import pytest

import autograd as ag
from autograd import backend, parameter
from autograd.gradcheck import gradcheck, gradgradcheck
from minigen import optim
from minigen.diffusion import linear_schedule, samplers
from minigen.diffusion.captured import loop
from minigen.diffusion.captured.loop import SamplingLoop, TrainingLoop
from minigen.nn.unet import UNet


@pytest.fixture
def as_cuda(on_cpu, monkeypatch):
    """Whatever has a kernel takes it; the rest is NumPy's. A small GPU, so that tiles are large and sums whole."""
    monkeypatch.setattr(backend, "device", lambda: "cuda")
    monkeypatch.setattr(backend, "multiprocessors", lambda: 1)


OPS = {
    "conv2d": (lambda x, w, b: ag.conv2d(x, w, b, stride=2, padding=1), (2, 4, 5, 6), (4, 4, 3, 3), (4,)),
    "conv_transpose2d": (lambda x, w, b: ag.conv_transpose2d(x, w, b, stride=2, padding=1), (2, 4, 3, 4), (4, 4, 3, 3),
                         (4,)),
    "depthwise": (lambda x, w: ag.conv2d(x, w, groups=4, padding=1), (2, 4, 4, 3), (4, 1, 3, 3)),
    "linear": (ag.linear, (2, 3, 4), (5, 4), (5,)),
    "linear of a vector": (ag.linear, (4,), (5, 4)),
    "matmul": (ag.matmul, (3, 2, 4), (3, 4, 2)),
    "silu": (ag.silu, (3, 7)),
    "softmax": (ag.softmax, (3, 7)),
    "softmax over the first axis": (lambda x: ag.softmax(x, axis=0), (3, 7)),
    "group_norm": (lambda x, w, b: ag.group_norm(x, 2, w, b), (2, 4, 3, 3), (4,), (4,)),
    "group_norm without weight": (lambda x: ag.group_norm(x, 2), (2, 4, 3, 2)),
    "layer_norm": (lambda x, w, b: ag.layer_norm(x, 5, w, b), (3, 5), (5,), (5,)),
    "attention": (ag.scaled_dot_product_attention, (2, 3, 4), (2, 5, 4), (2, 5, 3)),
}


@pytest.mark.usefixtures("as_cuda")
@pytest.mark.parametrize("name", OPS)
def test_gradients(name, order):
    f, *shapes = OPS[name]
    if order == "descending":
        pytest.skip("a second order in the tests of each kernel")
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape) for shape in shapes]
    gradcheck(f, inputs, rng)
    gradgradcheck(f, inputs, rng)


def test_kernels_are_used(as_cuda, monkeypatch):
    """Or the checks above would say nothing of them."""
    used = []
    launch = ag.gpu.launch.Kernels.launch
    monkeypatch.setattr(ag.gpu.launch.Kernels, "launch",
                        lambda self, name, *a, **k: (used.append(name), launch(self, name, *a, **k)))
    x, w = parameter(np.ones((2, 4, 5, 5), np.float32)), parameter(np.ones((4, 4, 3, 3), np.float32))
    y = ag.silu(ag.group_norm(ag.conv2d(x, w), 2))
    y = ag.softmax(ag.linear(y.reshape(8, -1), parameter(np.ones((3, 9), np.float32))))
    grads = ag.grad(y, [x, w], np.ones(y.shape, np.float32))
    optim.Adam([x, w]).step(grads)
    assert set(used) == {"conv_tile", "group_norm", "gemm", "softmax", "softmax_gradient", "silu", "silu_gradient",
                         "group_norm_gradient", "filter_tile", "adam"}


def test_optimizers_agree(as_cuda, monkeypatch):
    rng = np.random.default_rng(0)
    start, grads = rng.standard_normal((7, 3)), rng.standard_normal((3, 7, 3))
    results = []
    for device in ("cuda", "cpu"):
        monkeypatch.setattr(backend, "device", lambda device=device: device)
        p = parameter(start)
        adam = optim.AdamW([p], lr=optim.cosine_decay(0.1), weight_decay=0.1)
        for step, g in enumerate(grads):
            adam.step([g], scale=0.7, done=step / len(grads))
        results.append((p.numpy(), adam.state_dict()))
    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-14)
    for name, array in results[0][1].items():
        np.testing.assert_allclose(array, results[1][1][name], atol=1e-14)


@pytest.mark.slow
def test_a_training_step_of_ddpm(as_cuda, order, monkeypatch):
    """U-Net with attention, gradients, clipping, Adam: every kernel in its place, two steps, and then two samples."""
    if order == "descending":
        pytest.skip("a second order in the tests of each kernel")
    results = []
    for device in ("cuda", "cpu"):
        monkeypatch.setattr(backend, "device", lambda device=device: device)
        monkeypatch.setattr(loop, "Captured", lambda work: work)
        net = UNet(2, 2, width=8, multipliers=(1, 2), blocks=1, attention=(1,), groups=4, rng=backend.rng(0))
        forward, shape = linear_schedule(20), (2, 2, 4, 4)
        training = TrainingLoop(net, forward, optim.AdamW(net.parameters(), 1e-2, eps=1e-3), shape, seed=1, clip=1.0)
        losses = [float(training(backend.normal(backend.rng(i), shape))) for i in range(2)]
        sampling = SamplingLoop(net, forward.levels(3), samplers.move_ddim(0.5), shape, seed=2)
        results.append([losses, *(p.numpy() for p in net.parameters()), sampling().copy()])
    for ours, expected in zip(*results):
        np.testing.assert_allclose(ours, expected, atol=1e-4)
