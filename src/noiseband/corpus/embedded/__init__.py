"""The pocket study's texts: readers of two packages, and questions made from their facts."""
