"""What the tests share: servers on loopback, fakes, runs of flows, and the choice of tests.

Servers: `airflow`, `moto`, `batch_server`, `step_functions`, `postgres`, `azurite`, `fake_gcs`, and the proxies.
Their end: `processes` starts them, `guardian` kills them once pytest is gone.
The choice of tests: `parts`, `run_parts`, `fault_selection`.
"""
