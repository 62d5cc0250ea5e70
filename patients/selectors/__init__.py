"""The only readers of the patients' side."""
