"""Airflow's operators for the tasks of a flow: a step, the list that a nested foreach is mapped over, a loop."""
