"""What we were given: datasets, cases, labels and where voxels lie in the world."""
