"""What the rule files need, beside the study itself."""
