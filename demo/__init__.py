"""``make demo``: one flow file from this machine to a real Airflow, with artifacts in S3."""
