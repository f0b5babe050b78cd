"""What is done to a segmentation after the network, and whether it helps."""
