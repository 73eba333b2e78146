"""Import from and publish to the Hugging Face Hub, in the format that its models use."""
