"""How is an image predicted window by window? Placing, mirroring, averaging, summing."""
