"""Rows and records in, table.md / table.csv / figures / one self-contained report.html out."""
