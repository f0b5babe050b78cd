"""From the words of a plan to a network, and from a network to a checkpoint."""
