"""Records: faces cut out of photographs and kept in shards, written, checked and read."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from pipelines.records.encodings import ENCODINGS
    from pipelines.records.reading import RecordFaces
    from pipelines.records.writing import verify_records, write_records

__all__ = ["ENCODINGS", "RecordFaces", "verify_records", "write_records"]

__getattr__, __dir__ = handed_on(__name__, __file__)
