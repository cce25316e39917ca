"""Objectives: what discriminator and generator descend, in terms of the logit a that says "data", D = sigmoid(a).

    V(D, G) = E_data[log D(x)] + E_z[log(1 - D(G(z)))]             G minimizes it, D maximizes it          (eq. 1)

In logits log D = -softplus(-a) and log(1 - D) = -softplus(a), finite for every a: D itself is never computed.

The hinge loss is that of a support vector machine: once a is on its side of the margin, above 1 for data and below -1
for samples, there is nothing more to gain, and D turns to those that it still confuses.

Least squares ask for a logit of 1 for data and 0 for samples. Their slope grows with the distance from what is asked
for, so that samples that D knows for sure are still pulled.

Source: Goodfellow et al. 2014 (arXiv:1406.2661), whose equation numbers these are; Lim & Ye 2017, "Geometric GAN"
(hinge); Mao et al. 2017, "Least Squares Generative Adversarial Networks". Symbols: a_data, a_fake logits (N,) of
examples and of samples, or (N, 1, h, w) of their patches.
Read next: models/adversarial/gan.py, which says what each is good for.
"""
from autograd import relu, softplus


def discriminator_loss(a_data, a_fake):
    """-V of eq. 1, in nats, from the logits of examples and of samples."""
    return softplus(-a_data).mean() + softplus(a_fake).mean()  # course 7.1


def minimax(a_fake):
    """E[log(1 - D(G(z)))]: what of V depends on G (eq. 1)."""
    return -softplus(a_fake).mean()  # course 7.3


def nonsaturating(a_fake):
    """-E[log D(G(z))] (section 3)."""
    return softplus(-a_fake).mean()  # course 7.1


def hinge_discriminator(a_data, a_fake):
    """E[max(0, 1 - a_data)] + E[max(0, 1 + a_fake)]: 2 for a D that knows nothing, 0 beyond both margins."""
    return relu(1.0 - a_data).mean() + relu(1.0 + a_fake).mean()


def hinge_generator(a_fake):
    """-E[a_fake]: the generator's part in the game of the hinge."""
    return -a_fake.mean()


def squares_discriminator(a_data, a_fake):
    """E[(a_data - 1)^2] / 2 + E[a_fake^2] / 2: 1/4 for a D that says 1/2 of everything."""
    return 0.5 * ((a_data - 1.0) ** 2).mean() + 0.5 * (a_fake**2).mean()


def squares_generator(a_fake):
    """E[(a_fake - 1)^2] / 2."""
    return 0.5 * ((a_fake - 1.0) ** 2).mean()


GENERATOR_LOSSES = {"minimax": minimax, "nonsaturating": nonsaturating}
