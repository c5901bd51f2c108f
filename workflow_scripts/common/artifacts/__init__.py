"""Readers and writers of the files that steps hand to each other and to people, one module per kind.

Inside the code a frame is a 0-based index and a shot is half-open; the 1-based, inclusive numbers of the
files exist only here. Writers are atomic. Readers accept what older systems wrote and name the file and the
reason when they cannot.
"""
