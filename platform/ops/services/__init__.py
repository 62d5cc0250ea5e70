"""Acts of the platform's operators."""
