"""What features are compared by: Joint Bayesian, cosine, nearest centre; pairs and search."""
