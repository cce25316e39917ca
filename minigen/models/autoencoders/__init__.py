"""Autoencoders, from the linear one to the VAE. Read linear_ae.py, ae.py, denoising_ae.py, vae.py, in turn;
their networks, convolutions among them, are in nn/autoencoder.py. Many units of which few are active: sparse_ae.py.
A tighter bound, two layers of codes, posteriors that flow, a decoder that could do without: iwae.py,
hierarchical_vae.py, flow_vae.py, lossy_vae.py. Codes that follow a prior: aae.py, wae.py. Few labels: m2.py.
A grid of numbers, for a second stage: kl_ae.py. Molecules, as text:
molecule_vae.py."""
from .aae import AAE as AAE
from .ae import Autoencoder as Autoencoder
from .denoising_ae import DenoisingAutoencoder as DenoisingAutoencoder
from .flow_vae import FlowVAE as FlowVAE
from .hierarchical_vae import HierarchicalVAE as HierarchicalVAE
from .iwae import IWAE as IWAE
from .kl_ae import KLAutoencoder as KLAutoencoder
from .linear_ae import LinearAutoencoder as LinearAutoencoder
from .lossy_vae import LossyVAE as LossyVAE
from .m2 import M1M2 as M1M2
from .m2 import M2 as M2
from .molecule_vae import MoleculeVAE as MoleculeVAE
from .sparse_ae import KSparseAutoencoder as KSparseAutoencoder
from .sparse_ae import SparseAutoencoder as SparseAutoencoder
from .vae import VAE as VAE
from .wae import WAEGAN as WAEGAN
from .wae import WAEMMD as WAEMMD
