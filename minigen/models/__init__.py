"""The models: one paper per file, a folder per family, and no model imports another. Start at basics/."""
