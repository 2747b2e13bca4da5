"""The commands on folders of faces: detect, inspect and write_records. Each has a `main`."""
