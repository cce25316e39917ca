"""Autoencoders, from the linear one to the VAE. Read linear_ae.py, ae.py, denoising_ae.py, vae.py, in turn,
and molecule_vae.py; the networks of the others, convolutions among them, are in nn/autoencoder.py."""
from .ae import Autoencoder as Autoencoder
from .denoising_ae import DenoisingAutoencoder as DenoisingAutoencoder
from .linear_ae import LinearAutoencoder as LinearAutoencoder
from .molecule_vae import MoleculeVAE as MoleculeVAE
from .vae import VAE as VAE
