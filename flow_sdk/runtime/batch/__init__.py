"""AWS Batch: what Step Functions, Airflow and a laptop share: a step in a container that starts our task runner."""
