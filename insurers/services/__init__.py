"""The only writers of the insurers' side, one file per noun."""
