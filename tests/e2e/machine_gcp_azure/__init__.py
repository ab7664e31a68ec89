"""A booted stand-in machine in Google's cloud and in Azure, shared by the tests of this folder."""
