"""A booted stand-in machine in AWS, shared by the tests of this folder."""
