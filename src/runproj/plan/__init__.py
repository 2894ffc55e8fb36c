"""PLANNED: what would be done, and why."""
