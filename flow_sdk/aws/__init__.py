"""AWS: settings, credentials, clients, and what its errors mean."""
