"""An answer as text for a terminal, Markdown, JSON, CSV, HTML and a chart."""
