"""The only writers of job A's tables."""
