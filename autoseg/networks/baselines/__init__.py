"""Published networks, built from the topology of a plan, for fair comparisons."""
