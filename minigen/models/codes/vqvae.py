"""VQ-VAE: an autoencoder whose code is a small image of integers, each the number of a vector in a learned codebook.

van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning", NeurIPS 2017; equation numbers are that
paper's.

    z_e(x)                         encoder: a vector of D numbers for each place of a grid, (N, D, h, w)
    k = argmin_j |z_e - e_j|       its code: q(k | x) is one-hot                                          (eq. 1)
    z_q = e_k                      what the decoder sees                                                  (eq. 2)
    L = |x - g(z_q)|^2 / var(x)  +  |sg[z_e] - e|^2  +  beta |z_e - sg[e]|^2                              (eq. 3)

The argmin has no gradient; z_e gets that of z_q (straight-through). The codes learn by the second term of L, or, in
its place, as moving averages (appendix A.1): hand in a Codebook or an EMACodebook. var(x), the variance of all pixels
of the training images, brings the first term to the scale of the others, whatever the data, as in the authors' code;
here the networks see x with mean 0 and variance 1, which comes to the same and is learned much sooner.

While the VQ-VAE trains, the prior of the codes is uniform, and so KL(q(k | x) || p(k)) = log K is constant and no part
of L: nothing can collapse as in a VAE, and nothing makes the codes easy to draw. What `sample` draws is from that
prior: grids of codes that have nothing to do with each other. prior.py learns a better one.

Symbols: N examples, C H W image, h w grid, D channels of the code, K codes. Read before this: ../autoencoders/ae.py,
quantize/codebook.py, quantize/autoencoder.py (the networks, and the way to codes and back). Read next: prior.py,
vqvae2.py, vqgan.py; quantize/views.py, for pictures of the codes.
Course: 5.1.
"""
from ...player import Player
from ...quantize.autoencoder import GridAutoencoder
from ...quantize.measures import reconstruction_error, usage_measures


class VQVAE(GridAutoencoder):
    """space: of images. codebook: a Codebook or EMACodebook. width: channels of the networks. halvings: of the image,
    on the way to the grid. `codes` is the Space of a grid: (1, h, w), K levels."""

    def players(self):
        return [Player("autoencoder", self.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self.standard(batch["x"])  # (N, C, H, W)
        z_q, _, terms = self.codebook(self.encoder(x), rng)  # (N, D, h, w)
        error = ((x - self.decoder(z_q)) ** 2).mean()
        total = error + sum(terms.values())  # eq. 3
        return {"loss": total, "error / variance": error, **terms, "perplexity": self.codebook.perplexity()}

    def measure(self, batch, rng):
        codes = self.encode(batch["x"])
        return [reconstruction_error(self.space, batch["x"], self.decode(codes), self.bits, self.floor),
                *usage_measures(codes, self.codebook.K)]
