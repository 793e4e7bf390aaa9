# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow ParametersFlow, DAG ParametersFlow, namespace production:ParametersFlow.
#
# start, then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": '94c192c436795f53',
    "release": '0.1.0',
    "dag": 'ParametersFlow',
    "namespace": 'production:ParametersFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": 'Show what the parameters are.',
        "file": 'parameters.py',
        "flow": 'ParametersFlow',
        "format": 2,
        "parameters": [{'default': "quick 'n' easy", 'help': 'text, taken as it is', 'name': 'label', 'type': 'str'}, {'default': 3, 'help': 'a whole number', 'name': 'count', 'type': 'int'}, {'attribute': 'rate', 'default': 0.1, 'help': 'a number; self.rate in the steps', 'name': 'learning-rate', 'type': 'float'}, {'default': True, 'help': 'true or false', 'name': 'verbose', 'type': 'bool'}, {'default': {'depth': 4, 'shape': [2, 3]}, 'help': 'JSON', 'name': 'options', 'type': 'json'}, {'default': 'age,income', 'help': 'a list of names', 'name': 'columns', 'separator': ',', 'type': 'str'}, {'default': 'ParametersFlow by anne', 'help': 'worked out once, when the run starts', 'name': 'heading', 'type': 'str'}, {'help': 'None unless given', 'name': 'limit', 'type': 'int'}, {'help': "a file's contents, None unless given", 'name': 'notes', 'type': 'file'}],
        "steps": [
            # start, then end
            {'name': 'start', 'doc': 'Print each value and its type.', 'kind': 'linear', 'line': 25, 'next': ['end']},
            # end is the last step
            {'name': 'end', 'doc': 'Print what was worked out and what was read.', 'kind': 'end', 'line': 32, 'parents': ['start']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
