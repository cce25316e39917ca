"""Autoencoders, from the linear one to the VAE. Read linear_ae.py, ae.py, vae.py, latent.py in turn."""
from . import latent as latent
from .ae import Autoencoder as Autoencoder
from .linear_ae import LinearAutoencoder as LinearAutoencoder
from .vae import VAE as VAE
