"""DECLARED: what the user wrote, as typed values that know where they stand in the file."""
