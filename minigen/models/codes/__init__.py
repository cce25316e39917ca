"""Autoencoders whose codes are integers, and the priors that draw such codes. Start at vqvae.py."""
from .dvae import DVAE as DVAE
from .prior import CodePrior as CodePrior
from .prior import TwoLevelPrior as TwoLevelPrior
from .vqgan import VQGAN as VQGAN
from .vqvae import VQVAE as VQVAE
from .vqvae2 import VQVAE2 as VQVAE2
