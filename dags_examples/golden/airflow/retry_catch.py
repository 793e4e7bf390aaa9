# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow RetryCatchFlow, DAG RetryCatchFlow, namespace production:RetryCatchFlow.
#
# start, then fetch; fetch, then enrich; enrich, then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": 'e7bbc98db0e48d33',
    "release": '0.1.0',
    "dag": 'RetryCatchFlow',
    "namespace": 'production:RetryCatchFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": 'Fetch from a source that fails at first, then use a service that is down.',
        "file": 'retry_catch.py',
        "flow": 'RetryCatchFlow',
        "format": 2,
        "steps": [
            # start, then fetch
            {'name': 'start', 'doc': 'Begin.', 'kind': 'linear', 'line': 10, 'next': ['fetch']},
            # fetch, then enrich
            {'name': 'fetch', 'decorators': [['retry', {'minutes_between_retries': 0, 'times': 2}], ['timeout', {'seconds': 60}]], 'doc': 'Fail in the first attempt, work in the second.', 'kind': 'linear', 'line': 17, 'next': ['enrich'], 'parents': ['start']},
            # enrich, then end
            {'name': 'enrich', 'decorators': [['catch', {'print_exception': True, 'var': 'failure'}], ['retry', {'minutes_between_retries': 0, 'times': 1}]], 'doc': 'Fail in all attempts; ``@catch`` keeps the failure as an artifact and lets the flow go on.', 'kind': 'linear', 'line': 28, 'next': ['end'], 'parents': ['fetch']},
            # end is the last step
            {'name': 'end', 'doc': 'Say what happened.', 'kind': 'end', 'line': 34, 'parents': ['enrich']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
