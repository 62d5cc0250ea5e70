"""The only readers of job A's tables for others."""
