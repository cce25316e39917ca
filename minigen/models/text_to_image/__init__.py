"""Models of images and their captions. Read clip.py first."""
from .caption_lm import CaptionLM as CaptionLM
from .clip import CLIP as CLIP
from .clip import NoisedCLIP as NoisedCLIP
from .clip_prior import ClipPrior as ClipPrior
from .dalle import DALLE as DALLE
from .glide import GLIDE as GLIDE
from .glide import GLIDEEditor as GLIDEEditor
from .imagen import Imagen as Imagen
from .imagen_cascade import ImagenCascade as ImagenCascade
from .stable_diffusion import StableDiffusion as StableDiffusion
from .text_gan import MatchingDiscriminator as MatchingDiscriminator
from .text_gan import TextGAN as TextGAN
from .unclip import UnCLIP as UnCLIP
