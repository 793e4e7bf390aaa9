"""AWS Step Functions: a plan in, a state machine out; and what is done with it in an AWS account.

``definition`` and ``limits`` are pure. Nothing here knows another deploy target; ``cli`` imports it.
"""
