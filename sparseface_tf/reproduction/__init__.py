"""The comparisons behind the paper's tables and figures, run and set beside the published ones."""
