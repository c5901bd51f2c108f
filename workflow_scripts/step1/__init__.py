"""STEP1: archives, folders and loose videos become projects."""
