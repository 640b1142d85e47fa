"""What a training writes for TensorBoard: curves by step and by epoch, pages, pictures, a profile."""
