"""The patients' interface, version 1: parse in, one service or selector call, render out."""
