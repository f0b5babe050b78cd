"""How good a segmentation is, with every empty case defined."""
