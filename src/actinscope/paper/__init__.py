"""The paper's published numbers, what is doubtful about them, and its experiment on your cells."""
