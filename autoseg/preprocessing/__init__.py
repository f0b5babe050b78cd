"""How a case becomes network input."""
