"""What we measured: facts about every case and about the dataset, and nothing decided yet."""
