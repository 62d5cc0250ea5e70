"""How fast the platform is beside the same work done the plain way, and beside the database alone. `make bench`."""
