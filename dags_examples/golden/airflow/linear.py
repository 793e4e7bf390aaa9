# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow HelloFlow, DAG HelloFlow, namespace production:HelloFlow.
#
# start, then repeat; repeat, then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": '165b6120abf374f6',
    "release": '0.1.0',
    "dag": 'HelloFlow',
    "namespace": 'production:HelloFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": 'Greet somebody a few times.',
        "file": 'linear.py',
        "flow": 'HelloFlow',
        "format": 2,
        "parameters": [{'attribute': 'name_of_guest', 'default': 'world', 'help': 'who is greeted', 'name': 'name', 'type': 'str'}, {'default': 2, 'help': 'how often', 'name': 'times', 'type': 'int'}],
        "steps": [
            # start, then repeat
            {'name': 'start', 'doc': 'Make the greeting.', 'kind': 'linear', 'line': 13, 'next': ['repeat']},
            # repeat, then end
            {'name': 'repeat', 'doc': 'Repeat it.', 'kind': 'linear', 'line': 19, 'next': ['end'], 'parents': ['start']},
            # end is the last step
            {'name': 'end', 'doc': 'Print what came out.', 'kind': 'end', 'line': 25, 'parents': ['repeat']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
