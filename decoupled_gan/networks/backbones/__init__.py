"""Generators and discriminators of the generic method, one module a kind; staged.py is common to all."""
