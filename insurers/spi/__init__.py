"""The SPI module `claim`, version 1: what the messages say. Pure: no rows, no clock. The contract is in the README of
`insurers/sandbox`.
"""
