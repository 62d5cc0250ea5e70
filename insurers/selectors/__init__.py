"""The only readers of the insurers' side for others."""
