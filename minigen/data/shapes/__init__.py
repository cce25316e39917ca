"""Captioned shapes: scenes drawn at random, captions that are true of them, and a reader that tells whether one is."""
