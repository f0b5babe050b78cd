"""What we decided: from a fingerprint and a budget to a plan, without torch and without opening an image."""
