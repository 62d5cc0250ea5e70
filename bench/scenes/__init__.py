"""Scenes: what happens to everybody else when something is slow, silent or abnormal. `make bench ARGS=scenes`."""
