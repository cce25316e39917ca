"""Models of images and their captions. Read clip.py first."""
from .clip import CLIP as CLIP
from .clip_prior import ClipPrior as ClipPrior
from .dalle import DALLE as DALLE
from .text_gan import MatchingDiscriminator as MatchingDiscriminator
from .text_gan import TextGAN as TextGAN
from .unclip import UnCLIP as UnCLIP
