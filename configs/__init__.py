"""The recipes. In a wheel they are the package `decoupled_gan.configs`; see decoupled_gan/recipes.py."""
