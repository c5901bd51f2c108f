"""A large world that nobody worked for: projects with what steps leave in them, and runs in a store.

`env/bin/python -m benchmarks.world make FOLDER` makes one in a new data folder, `… play FOLDER` pretends to work in
it (no step is started) until it is interrupted. The same numbers make the same world, but for the day it ends on.
"""
