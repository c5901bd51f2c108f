"""The command line for people: options in, sentences and tables out, no logic."""
