"""Reads Python code for what breaks the rule of one allowed GPU: the syntax tree, nothing is run."""
