"""The package behind the rule files: code identity, scheduling and orphaned jobs."""
