"""The doctor: what is wrong with a trained run, in plain words, each finding with the number it rests on."""
from .case import Case as Case
from .case import Finding as Finding
from .examine import CHECKS as CHECKS
from .examine import examine as examine
