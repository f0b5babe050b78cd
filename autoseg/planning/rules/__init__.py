"""One file per rule: this folder is the table of contents of the method."""
