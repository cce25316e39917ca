"""Autoregressive models: exact likelihoods, one number after the other. Start at nade.py."""
from .gated_pixelcnn import GatedPixelCNN as GatedPixelCNN
from .pixelcnn import PixelCNN as PixelCNN
from .transformer import ImageTransformer as ImageTransformer
