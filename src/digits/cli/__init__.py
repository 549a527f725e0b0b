"""The command line `digits`, with one module for each command."""
