"""Verdicts on anyone's runs: measurements from any file, and noiseband's statistics."""
