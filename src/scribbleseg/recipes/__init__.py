"""Runs: their folders, logs and reproducibility."""

from scribbleseg.recipes.run_folder import RunFolder

__all__ = ["RunFolder"]
