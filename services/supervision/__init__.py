"""One running step: its process tree, its files, its end, recorded though nobody watches."""
