"""What comes from the Hugging Face Hub, and the names that its models use."""
