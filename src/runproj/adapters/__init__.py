"""The outside world, one thing a file; only runproj.app names what is here."""
