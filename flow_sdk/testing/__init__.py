"""What distributions that add to Flow SDK test themselves with: conformance suites for pytest, and fakes."""
