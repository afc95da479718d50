"""The recipes. In a wheel they are the package `decoupled_gan.configs`; see recipe_files.py there."""
