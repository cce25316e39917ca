"""Models of images and their captions. Read clip.py first."""
from .clip import CLIP as CLIP
