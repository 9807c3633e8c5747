"""The embedded world's verifiers: the pictures they learn from, and how each is trained."""
