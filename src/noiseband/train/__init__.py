"""The training loop: one seeded run, deterministic to the bit, resumable at any step."""
