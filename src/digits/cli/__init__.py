"""The command line `digits`: a module for each command parses the options, calls the package and prints."""
