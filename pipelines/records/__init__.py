"""Records: faces cut out of photographs and kept in shards, written, checked and read."""
