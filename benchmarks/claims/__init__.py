"""Questions declared before their runs, and the verdicts that finished runs give."""
