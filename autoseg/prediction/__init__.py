"""From a trained network to a segmentation on the original grid."""
