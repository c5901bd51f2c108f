"""What the API takes and answers, as pydantic models; names of files are a readable `name` and a `key`."""
