"""How do logits on the network grid become a segmentation on the original grid?"""
