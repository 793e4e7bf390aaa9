"""The Airflow target: ``create`` writes a DAG file, ``dagfile`` is its text, ``api`` asks a running Airflow.

What the file means to Airflow is the other distribution's part: ``flow_provider``.
"""
