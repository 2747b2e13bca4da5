"""SavedModels for servers."""
