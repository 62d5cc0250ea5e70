"""The only writers, one file per noun."""
