# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow NestedForeachFlow, DAG NestedForeachFlow, namespace production:NestedForeachFlow.
#
# start, then region for each of regions; region, then shop for each of shops; shop, then region_total; region_total
# (joins region), then grand_total; grand_total (joins start), then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": 'c2f0553ed84cacfa',
    "release": '0.1.0',
    "dag": 'NestedForeachFlow',
    "namespace": 'production:NestedForeachFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "plan": {
        "doc": 'Add up the sales of some shops in some regions.',
        "file": 'nested_foreach.py',
        "flow": 'NestedForeachFlow',
        "format": 2,
        "steps": [
            # start, then region for each of regions
            {'name': 'start', 'doc': 'Begin with the regions.', 'foreach': 'regions', 'kind': 'foreach', 'line': 10, 'next': ['region']},
            # region, then shop for each of shops
            {'name': 'region', 'doc': 'Find the shops of one region.', 'foreach': 'shops', 'kind': 'foreach', 'line': 16, 'next': ['shop'], 'parents': ['start'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # shop, then region_total
            {'name': 'shop', 'doc': "Work out one shop's sales; ``foreach_stack`` tells where this task is in all levels.", 'kind': 'linear', 'line': 23, 'next': ['region_total'], 'parents': ['region'], 'scopes': [{'kind': 'foreach', 'step': 'start'}, {'kind': 'foreach', 'step': 'region'}]},
            # region_total (joins region), then grand_total
            {'name': 'region_total', 'doc': 'Join the shops of one region.', 'is_join': True, 'joins': 'region', 'kind': 'linear', 'line': 31, 'next': ['grand_total'], 'parents': ['shop'], 'scopes': [{'kind': 'foreach', 'step': 'start'}]},
            # grand_total (joins start), then end
            {'name': 'grand_total', 'doc': 'Join the regions.', 'is_join': True, 'joins': 'start', 'kind': 'linear', 'line': 38, 'next': ['end'], 'parents': ['region_total']},
            # end is the last step
            {'name': 'end', 'doc': 'Print what each region sold.', 'kind': 'end', 'line': 44, 'parents': ['grand_total']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
