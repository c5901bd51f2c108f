"""The step framework: what every step shares and every virtualenv can import."""
