"""Adversarial models. Read implicit.py, gan.py, dcgan.py, wgan_gp.py, progan.py, stylegan.py, in this order."""
from .dcgan import ConvDiscriminator as ConvDiscriminator
from .dcgan import ConvGenerator as ConvGenerator
from .gan import GAN as GAN
from .gan import MLPDiscriminator as MLPDiscriminator
from .gan import MLPGenerator as MLPGenerator
from .progan import ProDiscriminator as ProDiscriminator
from .progan import ProGAN as ProGAN
from .progan import ProGenerator as ProGenerator
from .stylegan import StyleGAN as StyleGAN
from .wgan_gp import WGANGP as WGANGP
