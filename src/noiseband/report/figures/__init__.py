"""The study's charts, as SVG."""
