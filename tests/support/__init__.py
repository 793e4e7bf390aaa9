"""Real servers for the tests, on loopback, each ended with the test that started it."""
