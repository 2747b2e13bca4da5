"""Records: faces cut out of photographs and kept in shards, written, checked and read."""

from pipelines.records.reading import RecordFaces
from pipelines.records.writing import ENCODINGS, verify_records, write_records

__all__ = ["ENCODINGS", "RecordFaces", "verify_records", "write_records"]
