"""How a command knows that it is a stage of a recipe."""

__all__ = ["IN_RECIPE"]

IN_RECIPE = "SCRIBBLESEG_IN_RECIPE"
"""Set in the environment of a recipe's stages."""
