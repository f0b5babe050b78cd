"""From files of images to files of segmentations, and from arrays to arrays."""
