# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow BranchFlow, DAG BranchFlow, namespace production:BranchFlow.
#
# start, then mean and spread at once; mean, then join; spread, then join; join (joins start), then end; end is the
# last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": 'effa5db01e28d5f7',
    "release": '0.1.0',
    "dag": 'BranchFlow',
    "namespace": 'production:BranchFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": 'Work out the mean and the spread of some numbers side by side.',
        "file": 'branch.py',
        "flow": 'BranchFlow',
        "format": 2,
        "steps": [
            # start, then mean and spread at once
            {'name': 'start', 'doc': 'Make the numbers that both branches use.', 'kind': 'split', 'line': 10, 'next': ['mean', 'spread']},
            # mean, then join
            {'name': 'mean', 'doc': 'One branch.', 'kind': 'linear', 'line': 16, 'next': ['join'], 'parents': ['start'], 'scopes': [{'branch': 'mean', 'kind': 'split', 'step': 'start'}]},
            # spread, then join
            {'name': 'spread', 'doc': 'The other branch.', 'kind': 'linear', 'line': 22, 'next': ['join'], 'parents': ['start'], 'scopes': [{'branch': 'spread', 'kind': 'split', 'step': 'start'}]},
            # join (joins start), then end
            {'name': 'join', 'doc': 'Take over what both branches made; what they have in common is the same in both.', 'is_join': True, 'joins': 'start', 'kind': 'linear', 'line': 28, 'next': ['end'], 'parents': ['mean', 'spread']},
            # end is the last step
            {'name': 'end', 'doc': 'Print both results.', 'kind': 'end', 'line': 34, 'parents': ['join']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
