"""The rules of the code as tests: sizes, names, docstrings, documentation that runs."""
