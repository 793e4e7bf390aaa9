# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow AllShapesFlow, DAG AllShapesFlow, namespace production:AllShapesFlow.
#
# start, then prepare for each of numbers; prepare, then double and square at once; double, then combine; square, then
# combine; combine (joins prepare), then multiply for each of values; multiply, then add; add (joins combine), then by
# kind halve if 'even', keep if 'odd'; halve, then settle; keep, then settle; settle, then gather; gather (joins
# start), then reduce; reduce, then by more again reduce if True, end if False; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": '6ae62cb7328cd917',
    "release": '0.1.0',
    "dag": 'AllShapesFlow',
    "namespace": 'production:AllShapesFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": 'Put a few numbers through every kind of transition.',
        "file": 'all_shapes.py',
        "flow": 'AllShapesFlow',
        "format": 2,
        "loops": [{'body': ['reduce'], 'entry': 'reduce'}],
        "parameters": [{'default': 10, 'help': 'what numbers are multiplied by', 'name': 'scale', 'type': 'int'}],
        "steps": [
            # start, then prepare for each of numbers
            {'name': 'start', 'doc': 'Start a task for each number.', 'foreach': 'numbers', 'kind': 'foreach', 'line': 12, 'next': ['prepare']},
            # prepare, then double and square at once
            {'name': 'prepare', 'doc': 'Body of the foreach, first step: split in two.', 'kind': 'split', 'line': 19, 'next': ['double', 'square'], 'parents': ['start'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # double, then combine
            {'name': 'double', 'doc': 'One branch of the split inside the foreach.', 'kind': 'linear', 'line': 25, 'next': ['combine'], 'parents': ['prepare'], 'scopes': [{'kind': 'foreach', 'step': 'start'}, {'branch': 'double', 'kind': 'split', 'step': 'prepare'}]},
            # square, then combine
            {'name': 'square', 'doc': 'The other branch.', 'kind': 'linear', 'line': 31, 'next': ['combine'], 'parents': ['prepare'], 'scopes': [{'kind': 'foreach', 'step': 'start'}, {'branch': 'square', 'kind': 'split', 'step': 'prepare'}]},
            # combine (joins prepare), then multiply for each of values
            {'name': 'combine', 'doc': 'Join the split, then start an inner foreach.', 'foreach': 'values', 'is_join': True, 'joins': 'prepare', 'kind': 'foreach', 'line': 37, 'next': ['multiply'], 'parents': ['double', 'square'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # multiply, then add
            {'name': 'multiply', 'doc': 'Body of the inner foreach.', 'kind': 'linear', 'line': 44, 'next': ['add'], 'parents': ['combine'], 'scopes': [{'kind': 'foreach', 'step': 'start'}, {'kind': 'foreach', 'step': 'combine'}]},
            # add (joins combine), then by kind halve if 'even', keep if 'odd'
            {'name': 'add', 'cases': [['even', 'halve'], ['odd', 'keep']], 'condition': 'kind', 'doc': 'Join the inner foreach, then switch inside the outer one.', 'is_join': True, 'joins': 'combine', 'kind': 'switch', 'line': 51, 'next': ['halve', 'keep'], 'parents': ['multiply'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # halve, then settle
            {'name': 'halve', 'doc': 'The case of even numbers.', 'kind': 'linear', 'line': 60, 'next': ['settle'], 'parents': ['add'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # keep, then settle
            {'name': 'keep', 'doc': 'The case of odd numbers.', 'kind': 'linear', 'line': 66, 'next': ['settle'], 'parents': ['add'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # settle, then gather
            {'name': 'settle', 'doc': 'Both cases come together here, still inside the foreach.', 'kind': 'linear', 'line': 72, 'next': ['gather'], 'parents': ['halve', 'keep'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # gather (joins start), then reduce
            {'name': 'gather', 'doc': 'Join the outer foreach.', 'is_join': True, 'joins': 'start', 'kind': 'linear', 'line': 78, 'next': ['reduce'], 'parents': ['settle']},
            # reduce, then by more again reduce if True, end if False
            {'name': 'reduce', 'back': ['reduce'], 'cases': [[True, 'reduce'], [False, 'end']], 'condition': 'more', 'doc': 'A loop: halve what is left until it is small, at most ten times.', 'kind': 'switch', 'line': 88, 'next': ['reduce', 'end'], 'parents': ['gather', 'reduce'], 'scopes': [{'kind': 'loop', 'step': 'reduce'}]},
            # end is the last step
            {'name': 'end', 'doc': 'Print what came out.', 'kind': 'end', 'line': 96, 'parents': ['reduce']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
