# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow SwitchFlow, DAG SwitchFlow, namespace production:SwitchFlow.
#
# start, then by size review if 'large', check if 'medium', accept if 'small'; review, then end; check, then accept;
# accept, then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": 'd46e7a9a40ea6b4f',
    "release": '0.1.0',
    "dag": 'SwitchFlow',
    "namespace": 'production:SwitchFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": 'Handle an order by its size.',
        "file": 'switch.py',
        "flow": 'SwitchFlow',
        "format": 2,
        "parameters": [{'default': 250, 'help': 'what the order is worth', 'name': 'amount', 'type': 'int'}],
        "steps": [
            # start, then by size review if 'large', check if 'medium', accept if 'small'
            {'name': 'start', 'cases': [['large', 'review'], ['medium', 'check'], ['small', 'accept']], 'condition': 'size', 'doc': 'Decide how the order is handled.', 'kind': 'switch', 'line': 12, 'next': ['review', 'check', 'accept']},
            # review, then end
            {'name': 'review', 'doc': 'Large orders are looked at by a person.', 'kind': 'linear', 'line': 18, 'next': ['end'], 'parents': ['start']},
            # check, then accept
            {'name': 'check', 'doc': 'Medium orders are checked.', 'kind': 'linear', 'line': 24, 'next': ['accept'], 'parents': ['start']},
            # accept, then end
            {'name': 'accept', 'doc': 'Small orders, and those that passed, are accepted.', 'kind': 'linear', 'line': 30, 'next': ['end'], 'parents': ['start', 'check']},
            # end is the last step
            {'name': 'end', 'doc': 'Say what became of the order.', 'kind': 'end', 'line': 36, 'parents': ['review', 'accept']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
