"""Where code comes from."""
