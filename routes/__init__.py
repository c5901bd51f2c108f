"""HTTP: one file per area of the API, without any logic of its own."""
