"""Charts of metrics and parameters: as SVG, and as text for a terminal."""
