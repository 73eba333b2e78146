"""Estimates of a study's cost before it runs: hours, money, memory, disk space and traffic."""
