"""The programs, one a module, and `sparseface`, the command that has them as its sub-commands.

Importing one defines no flags: its `main` does.
"""
