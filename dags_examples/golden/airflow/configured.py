# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow ConfiguredFlow, DAG ConfiguredFlow, namespace production:ConfiguredFlow.
#
# start, then measure for each of chosen; measure, then gather; gather (joins start), then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": '26ba9d6c285d6d89',
    "release": '0.1.0',
    "dag": 'ConfiguredFlow',
    "namespace": 'production:ConfiguredFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "configs": [{'name': 'settings', 'value': {'unit': 'letters', 'longest': 9, 'tries': 2}}],
        "doc": 'Measure words, each in a task of its own, and put what was found beside the run.',
        "file": 'configured.py',
        "flow": 'ConfiguredFlow',
        "format": 2,
        "parameters": [{'default': 'bee\nantelope\nhippopotamus\n', 'name': 'words', 'type': 'file'}, {'default': 9, 'name': 'longest', 'type': 'int'}],
        "steps": [
            # start, then measure for each of chosen
            {'name': 'start', 'foreach': 'chosen', 'kind': 'foreach', 'line': 45, 'next': ['measure']},
            # measure, then gather
            {'name': 'measure', 'decorators': [['environment', {'vars': {'UNIT': 'letters'}}], ['retry', {'minutes_between_retries': 0, 'times': 2}]], 'kind': 'linear', 'line': 53, 'next': ['gather'], 'parents': ['start'], 'scopes': [{'kind': 'foreach', 'step': 'start'}], 'wrappers': [['counted', {'unit': 'letters'}]]},
            # gather (joins start), then end
            {'name': 'gather', 'is_join': True, 'joins': 'start', 'kind': 'linear', 'line': 62, 'next': ['end'], 'parents': ['measure']},
            # end is the last step
            {'name': 'end', 'kind': 'end', 'line': 69, 'parents': ['gather']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
