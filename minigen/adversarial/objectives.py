"""Objectives: what discriminator and generator descend, in terms of the logit a that says "data", D = sigmoid(a).

    V(D, G) = E_data[log D(x)] + E_z[log(1 - D(G(z)))]             G minimizes it, D maximizes it          (eq. 1)

In logits log D = -softplus(-a) and log(1 - D) = -softplus(a), finite for every a: D itself is never computed.

Source: Goodfellow et al. 2014 (arXiv:1406.2661), whose equation numbers these are. Symbols: a_data, a_fake logits (N,)
of examples and of samples. Read next: models/adversarial/gan.py, which says what each is good for.
"""
from autograd import softplus


def discriminator_loss(a_data, a_fake):
    """-V of eq. 1, in nats, from the logits of examples and of samples."""
    return softplus(-a_data).mean() + softplus(a_fake).mean()


def minimax(a_fake):
    """E[log(1 - D(G(z)))]: what of V depends on G (eq. 1)."""
    return -softplus(a_fake).mean()


def nonsaturating(a_fake):
    """-E[log D(G(z))] (section 3)."""
    return softplus(-a_fake).mean()


GENERATOR_LOSSES = {"minimax": minimax, "nonsaturating": nonsaturating}
