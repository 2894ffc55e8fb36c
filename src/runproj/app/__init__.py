"""The composition root: the only package that names adapters, and the home of lazy imports.

What it returns is ready to be used by the command line: an opened store, an opened project, and
the verbs of the engine with everything they need.
"""
