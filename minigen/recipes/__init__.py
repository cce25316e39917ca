"""Recipes: a name for each thing that can be trained, and all that training it needs. Start at registry.py."""
from .registry import IMAGES as IMAGES
from .registry import LABELLED as LABELLED
from .registry import POINTS as POINTS
from .registry import TEXTS as TEXTS
from .registry import TRANSLATIONS as TRANSLATIONS
from .registry import Recipe as Recipe
from .registry import alike as alike
from .registry import catalogue as catalogue
from .registry import find as find
from .registry import recipe as recipe
