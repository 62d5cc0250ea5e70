"""The only writers of the patients' side."""
