"""runproj: declare a project once, run it anywhere, rerun any past run exactly."""

__version__ = "0.1.0"
