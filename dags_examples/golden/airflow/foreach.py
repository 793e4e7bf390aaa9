# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow ForeachFlow, DAG ForeachFlow, namespace production:ForeachFlow.
#
# start, then count for each of words; count, then collect; collect (joins start), then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": 'a695c1dee6022f8f',
    "release": '0.1.0',
    "dag": 'ForeachFlow',
    "namespace": 'production:ForeachFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": 'Count the letters of each word of a sentence.',
        "file": 'foreach.py',
        "flow": 'ForeachFlow',
        "format": 2,
        "parameters": [{'default': 'every word gets a task of its own', 'help': 'what is counted', 'name': 'sentence', 'type': 'str'}],
        "steps": [
            # start, then count for each of words
            {'name': 'start', 'doc': 'Split the sentence; each word becomes a task.', 'foreach': 'words', 'kind': 'foreach', 'line': 12, 'next': ['count']},
            # count, then collect
            {'name': 'count', 'doc': 'Count one word: ``self.input`` is the word, ``self.index`` its place.', 'kind': 'linear', 'line': 18, 'next': ['collect'], 'parents': ['start'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # collect (joins start), then end
            {'name': 'collect', 'doc': 'Collect the counts; ``inputs`` is in the order of the words.', 'is_join': True, 'joins': 'start', 'kind': 'linear', 'line': 26, 'next': ['end'], 'parents': ['count']},
            # end is the last step
            {'name': 'end', 'doc': 'Print the longest word.', 'kind': 'end', 'line': 32, 'parents': ['collect']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
