"""The report on sets of faces: as a dict for programs, as a text for people."""

from pipelines.inspection.data_report.facts import overlap_summary, summary
from pipelines.inspection.data_report.markdown import text

__all__ = ["overlap_summary", "summary", "text"]
