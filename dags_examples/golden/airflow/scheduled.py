# Apache Airflow DAG written by Flow SDK. Change the flow and deploy it again; don't edit this file.
# Flow ScheduledFlow, DAG ScheduledFlow, namespace production:ScheduledFlow.
#
# start, then end; end is the last step.
from flow_provider import load_dags

DEPLOYMENT = {
    "format": 1,
    "digest": 'e9f100bc68075282',
    "release": '0.1.0',
    "dag": 'ScheduledFlow',
    "namespace": 'production:ScheduledFlow',
    "store": 's3://bucket/flows',
    "plan_hash": '0000000000000000000000000000000000000000000000000000000000000000',
    "package_hash": '1111111111111111111111111111111111111111111111111111111111111111',
    "aws_conn_id": 'aws_default',
    "tags": ['example'],
    "cron": '30 6 * * 1-5',
    "timezone": 'Europe/Berlin',
    "plan": {
        "decorators": [['schedule', {'cron': '30 6 ? * MON-FRI *', 'timezone': 'Europe/Berlin'}]],
        "doc": 'Make a small report each working day at half past six in Berlin.',
        "file": 'scheduled.py',
        "flow": 'ScheduledFlow',
        "format": 2,
        "parameters": [{'default': 'Morning report', 'help': 'heading of the report', 'name': 'title', 'type': 'str'}],
        "steps": [
            # start, then end
            {'name': 'start', 'doc': 'Begin with the date.', 'kind': 'linear', 'line': 15, 'next': ['end']},
            # end is the last step
            {'name': 'end', 'doc': 'Write the report.', 'kind': 'end', 'line': 21, 'parents': ['start']},
        ],
    },
}

globals().update(load_dags(DEPLOYMENT))
