"""Adversarial models. Read gan.py, dcgan.py, wgan_gp.py, conditional_gan.py, infogan.py, pix2pix.py, cyclegan.py,
stargan.py, progan.py, stylegan.py, puzzle.py, in this order."""
from .conditional_gan import ACGAN as ACGAN
from .conditional_gan import Concatenation as Concatenation
from .conditional_gan import ConditionalGAN as ConditionalGAN
from .conditional_gan import Projection as Projection
from .cyclegan import CycleGAN as CycleGAN
from .dcgan import ConvDiscriminator as ConvDiscriminator
from .dcgan import ConvGenerator as ConvGenerator
from .gan import GAN as GAN
from .gan import MLPDiscriminator as MLPDiscriminator
from .gan import MLPGenerator as MLPGenerator
from .infogan import InfoGAN as InfoGAN
from .pix2pix import Pix2Pix as Pix2Pix
from .progan import ProDiscriminator as ProDiscriminator
from .progan import ProGAN as ProGAN
from .progan import ProGenerator as ProGenerator
from .puzzle import Puzzle as Puzzle
from .puzzle import Solver as Solver
from .stargan import StarDiscriminator as StarDiscriminator
from .stargan import StarGAN as StarGAN
from .stylegan import StyleGAN as StyleGAN
from .wgan_gp import WGANGP as WGANGP
