"""What is measured beside the pipeline, each in a process and an environment of its own."""
