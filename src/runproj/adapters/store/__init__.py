"""Memory of runs and of content."""
