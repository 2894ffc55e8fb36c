"""PINNED: the exact content of environments, and what they were declared to be."""
