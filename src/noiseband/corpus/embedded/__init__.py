"""The pocket study's texts: readers of two packages, and questions made of their facts."""
