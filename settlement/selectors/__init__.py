"""The only readers for others; they carry the permission."""
