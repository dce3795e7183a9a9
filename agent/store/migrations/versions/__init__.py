"""The steps, oldest first: one file each, called r<number>_<what it does>.py."""
