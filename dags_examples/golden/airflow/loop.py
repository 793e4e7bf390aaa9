# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow LoopFlow, DAG LoopFlow, namespace production:LoopFlow.
#
# start, then improve; improve, then by outcome again improve if 'again', end if 'found', end if 'given up'; end is
# the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": '2880e96e6dd1077f',
    "release": '0.1.0',
    "dag": 'LoopFlow',
    "namespace": 'production:LoopFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": "Work out a square root by Newton's method, each pass being a task of its own.",
        "file": 'loop.py',
        "flow": 'LoopFlow',
        "format": 2,
        "loops": [{'body': ['improve'], 'entry': 'improve'}],
        "parameters": [{'default': 2.0, 'help': 'whose root, > 0', 'name': 'number', 'type': 'float'}, {'default': 1e-09, 'help': 'how near the square must come', 'name': 'tolerance', 'type': 'float'}, {'default': 20, 'help': 'most passes', 'name': 'most', 'type': 'int'}],
        "steps": [
            # start, then improve
            {'name': 'start', 'doc': 'Begin with a guess.', 'kind': 'linear', 'line': 14, 'next': ['improve']},
            # improve, then by outcome again improve if 'again', end if 'found', end if 'given up'
            {'name': 'improve', 'back': ['improve'], 'cases': [['again', 'improve'], ['found', 'end'], ['given up', 'end']], 'condition': 'outcome', 'doc': "Improve the guess; go round again unless it's good or there were enough passes.", 'kind': 'switch', 'line': 21, 'next': ['improve', 'end'], 'parents': ['start', 'improve'], 'scopes': [{'kind': 'loop', 'step': 'improve'}]},
            # end is the last step
            {'name': 'end', 'doc': 'Print the root.', 'kind': 'end', 'line': 31, 'parents': ['improve']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
