"""HAPPENED: what was done, as values that can be written, read, compared and done again."""
