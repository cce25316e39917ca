"""Autoencoders whose codes are integers, and the priors that draw such codes. Start at vqvae.py."""
from .dvae import DVAE as DVAE
