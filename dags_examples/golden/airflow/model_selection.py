# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow ModelSelectionFlow, DAG ModelSelectionFlow, namespace production:ModelSelectionFlow.
#
# start, then fold for each of fold_numbers; fold, then evaluate for each of candidates; evaluate, then fold_errors;
# fold_errors (joins fold), then select; select (joins start), then by decision publish if 'publish', reject if
# 'reject'; publish, then end; reject, then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": 'ee8e7634caa433c5',
    "release": '0.1.0',
    "dag": 'ModelSelectionFlow',
    "namespace": 'production:ModelSelectionFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": "Choose the best of some regression models by cross-validation, and publish it if it's good enough.",
        "file": 'model_selection.py',
        "flow": 'ModelSelectionFlow',
        "format": 2,
        "parameters": [{'default': 3000, 'help': 'rows of synthetic data', 'name': 'rows', 'type': 'int'}, {'default': 3, 'help': 'folds of the cross-validation', 'name': 'folds', 'type': 'int'}, {'default': 7, 'help': 'seed of all randomness', 'name': 'seed', 'type': 'int'}, {'default': 0.6, 'help': 'largest error at which a model is published', 'name': 'threshold', 'type': 'float'}, {'default': [{'degree': 1, 'ridge': 0.1}, {'degree': 2, 'ridge': 0.1}, {'degree': 3, 'ridge': 1.0}, {'degree': 9, 'ridge': 100.0}], 'help': 'degree and ridge penalty of each model', 'name': 'candidates', 'type': 'json'}],
        "steps": [
            # start, then fold for each of fold_numbers
            {'name': 'start', 'doc': 'Make the data, keep a fifth of it away for the last test, and start the folds.', 'foreach': 'fold_numbers', 'kind': 'foreach', 'line': 52, 'next': ['fold']},
            # fold, then evaluate for each of candidates
            {'name': 'fold', 'doc': 'Say which rows this fold is validated on, and start a task for each candidate.', 'foreach': 'candidates', 'kind': 'foreach', 'line': 68, 'next': ['evaluate'], 'parents': ['start'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # evaluate, then fold_errors
            {'name': 'evaluate', 'decorators': [['retry', {'minutes_between_retries': 0, 'times': 2}]], 'doc': "Fit one candidate on the fold's training rows and measure it on the others.", 'kind': 'linear', 'line': 78, 'next': ['fold_errors'], 'parents': ['fold'], 'scopes': [{'kind': 'foreach', 'step': 'start'}, {'kind': 'foreach', 'step': 'fold'}]},
            # fold_errors (joins fold), then select
            {'name': 'fold_errors', 'doc': "Join the candidates of one fold; the inputs are in the candidates' order.", 'is_join': True, 'joins': 'fold', 'kind': 'linear', 'line': 87, 'next': ['select'], 'parents': ['evaluate'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # select (joins start), then by decision publish if 'publish', reject if 'reject'
            {'name': 'select', 'cases': [['publish', 'publish'], ['reject', 'reject']], 'condition': 'decision', 'doc': 'Join the folds, choose the candidate with the smallest mean error, fit it and test it.', 'is_join': True, 'joins': 'start', 'kind': 'switch', 'line': 94, 'next': ['publish', 'reject'], 'parents': ['fold_errors']},
            # publish, then end
            {'name': 'publish', 'doc': 'Make the card that goes with the published model.', 'kind': 'linear', 'line': 115, 'next': ['end'], 'parents': ['select']},
            # reject, then end
            {'name': 'reject', 'doc': "Keep the model, and say why it isn't published.", 'kind': 'linear', 'line': 123, 'next': ['end'], 'parents': ['select']},
            # end is the last step
            {'name': 'end', 'doc': 'Print the outcome.', 'kind': 'end', 'line': 130, 'parents': ['publish', 'reject']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
