"""A trained ensemble as one file to share, and back."""
