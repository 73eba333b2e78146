"""The parts of the page: what the tables say, arranged and in words."""
