"""Case files: right loops and known mistakes, each with the verdict that it must get."""
