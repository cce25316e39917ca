"""Classifiers: not generative, but they judge what is. Start at cnn.py."""
from .cnn import CNN as CNN
from .cnn import pretrained as pretrained
from .noisy import NoisyClassifier as NoisyClassifier
