"""What does a prediction hold, where does it lie, and does it stay within a declared budget?"""
