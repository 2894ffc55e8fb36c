"""Reports of runs and experiments: pages that stand alone."""
