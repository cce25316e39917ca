"""einsum against NumPy's, and what inverses and determinants must satisfy."""
import numpy as np
import pytest

import autograd as ag
from autograd import grad, gradgradcheck, parameter

RNG = np.random.default_rng(0)
SIZES = dict(zip("abcijkxyz", (2, 3, 4, 5, 2, 3, 1, 1, 0)))

EINSUMS = ["ij,jk->ik", "ij,jk", "ba", "ab->ba", "ii->i", "ii", "iaai->ai", "i,j->ij", "i,i->", "ijk,kj->i", "abc->",
           "a,ab,b", "ij , jk", "abc,abd->abcd", "za,ab->zb", "az,zb->ab", "zz->", "ab,ab,ab->ab", ",ij->ij"]


@pytest.mark.parametrize("subscripts", EINSUMS)
def test_einsum_as_numpy(subscripts):
    left = subscripts.replace(" ", "").split("->")[0].split(",")
    xs = [RNG.standard_normal([SIZES.get(c, 2) for c in letters]) for letters in left]
    ps = [parameter(x) for x in xs]
    y = ag.einsum(subscripts, *ps)
    np.testing.assert_allclose(y.numpy(), np.einsum(subscripts, *xs), rtol=1e-12, atol=1e-14)
    assert [g.shape for g in grad(y.sum(), ps)] == [x.shape for x in xs]


@pytest.mark.parametrize("subscripts, shapes", [
    ("...ij,...jk->...ik", [(2, 3, 4), (4, 5)]),
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (7, 4, 5)]),
    ("...ij,jk", [(2, 3, 4), (4, 5)]),
    ("i...->...", [(2, 3, 4)]),
    ("...", [(2, 3)]),
    ("...,...->...", [(2, 3), ()]),
    ("a...b,b->...a", [(2, 5, 6, 3), (3,)]),
    ("...ii->...i", [(2, 3, 3)]),
    ("ij,jk->ik", [(3, 1), (4, 5)]),  # an axis of 1 stands for any size
    ("ij,ij->i", [(3, 4), (1, 4)]),
])
def test_einsum_broadcasts(subscripts, shapes):
    xs = [RNG.standard_normal(shape) for shape in shapes]
    np.testing.assert_allclose(ag.einsum(subscripts, *xs).numpy(), np.einsum(subscripts, *xs), rtol=1e-12, atol=1e-14)
    gradgradcheck(lambda *xs: ag.einsum(subscripts, *xs), xs)


def test_implicit_output_is_in_alphabetical_order():
    A, B = RNG.standard_normal((2, 3)), RNG.standard_normal((3, 4))
    np.testing.assert_allclose(ag.einsum("zb,bA", A, B).numpy(), (A @ B).T)  # A before z


def test_inverse():
    A = parameter(RNG.standard_normal((4, 3, 3)))
    np.testing.assert_allclose((A @ ag.inv(A)).numpy(), np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-10)
    with pytest.raises(np.linalg.LinAlgError, match=r"inv: .*shape \(2, 2\)"):
        ag.inv(np.ones((2, 2)))


def test_determinants():
    A = RNG.standard_normal((4, 3, 3))
    sign, logabsdet = ag.slogdet(A)
    np.testing.assert_allclose(ag.det(A).numpy(), np.linalg.det(A))
    np.testing.assert_allclose((sign * ag.exp(logabsdet)).numpy(), np.linalg.det(A))
    B = RNG.standard_normal((3, 3))
    np.testing.assert_allclose(ag.det(A @ B).numpy(), (ag.det(A) * ag.det(B)).numpy())


def test_gradient_of_a_determinant_is_its_cofactors():
    A = parameter(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_allclose(grad(ag.det(A), A).numpy(), [[4, -3], [-2, 1]])


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_singular_determinants(rank):
    """Of a 3 x 3 matrix: the gradient is 0 below rank 2, the derivatives of any order are those of the polynomial."""
    A = RNG.standard_normal((3, rank)) @ RNG.standard_normal((rank, 3))
    gradgradcheck(ag.det, [A], atol=1e-9)
    p = parameter(A)
    g = grad(ag.det(p), p).numpy()
    minor = lambda i, j: np.delete(np.delete(A, i, 0), j, 1)
    expected = [[(-1) ** (i + j) * np.linalg.det(minor(i, j)) for j in range(3)] for i in range(3)]
    np.testing.assert_allclose(g, expected, atol=1e-10)


def test_one_singular_matrix_among_others():
    A = parameter(np.stack([np.eye(2), np.ones((2, 2))]))
    np.testing.assert_allclose(grad(ag.det(A).sum(), A).numpy(), [np.eye(2), [[1, -1], [-1, 1]]])


@pytest.mark.parametrize("op", [ag.det, ag.inv, lambda A: ag.slogdet(A)[1]])
@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 0), (1, 1)])
def test_empty_and_tiny(op, shape):
    A = parameter(np.ones(shape))
    y = op(A)
    assert grad(y.sum(), A).shape == shape


def test_log_determinant_of_a_large_matrix():
    """det overflows, slogdet does not."""
    A = parameter(1e5 * np.eye(100))
    sign, logabsdet = ag.slogdet(A)
    assert sign.item() == 1.0 and not sign.requires_grad
    np.testing.assert_allclose(logabsdet.item(), 100 * np.log(1e5))
    np.testing.assert_allclose(grad(logabsdet, A).numpy(), 1e-5 * np.eye(100), atol=1e-20)
