"""What noiseband promises of its own parts, checked for ideas of the user's own."""
