"""What adversarial models share: implicit models, dynamics of two players. Start at implicit.py."""
