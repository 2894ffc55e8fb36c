"""Where steps execute."""
