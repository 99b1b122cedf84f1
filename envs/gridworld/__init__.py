"""Grid worlds: drawn in text, exact in their model."""
