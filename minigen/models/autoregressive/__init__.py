"""Autoregressive models: exact likelihoods, one number after the other. Start at nade.py."""
from .gated_pixelcnn import GatedPixelCNN as GatedPixelCNN
from .made import MADE as MADE
from .nade import NADE as NADE
from .pixelcnn import PixelCNN as PixelCNN
from .rnade import RNADE as RNADE
from .transformer import ImageTransformer as ImageTransformer
