"""Rows and records in, table.md / .tex / .csv, figures / one self-contained report.html out."""
