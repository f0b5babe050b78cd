"""From preprocessed cases to a trained network."""
