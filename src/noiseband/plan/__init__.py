"""What a study will take before any of it runs: hours, money, memory, disk, traffic."""
