# The roles of AWS Batch and AWS Step Functions, and the policy of those who deploy.

data "aws_iam_policy_document" "job_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "job" {
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.store.arn}/${var.prefix}/*"]
  }

  # Results, and nothing of deployments: neither claims on names nor what a deployment needs.
  statement {
    sid     = "Write"
    actions = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = [
      "${aws_s3_bucket.store.arn}/${var.prefix}/blobs/*",
      "${aws_s3_bucket.store.arn}/${var.prefix}/flows/*/*",
    ]
  }

  statement {
    sid       = "Names"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
  }

  statement {
    sid       = "Parameters"
    actions   = ["states:DescribeExecution"]
    resources = ["${local.states}:execution:${local.names}:*"]
  }
}

resource "aws_iam_role" "job" {
  name_prefix        = "${var.name}-job-"
  description        = "Flow SDK, what a step may do"
  assume_role_policy = data.aws_iam_policy_document.job_trust.json
}

resource "aws_iam_role_policy" "job" {
  name   = "flow-sdk-job"
  role   = aws_iam_role.job.id
  policy = data.aws_iam_policy_document.job.json
}

data "aws_iam_policy_document" "execution_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "Registry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "Images"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${local.partition}:ecr:*:${local.account}:repository/*"]
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.logs}:log-group:/aws/batch/job:*"]
  }
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-execution-"
  description        = "Flow SDK, gets images and writes the logs of containers"
  assume_role_policy = data.aws_iam_policy_document.execution_trust.json
}

resource "aws_iam_role_policy" "execution" {
  name   = "flow-sdk-execution"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

data "aws_iam_policy_document" "state_machine_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "state_machine" {
  statement {
    sid       = "Submit"
    actions   = ["batch:SubmitJob"]
    resources = ["${local.batch}:job-definition/flow-sdk-*", "${local.batch}:job-queue/${var.name}*"]
  }

  statement {
    sid       = "TagJobs"
    actions   = ["batch:TagResource"]
    resources = ["${local.batch}:job/*"]
  }

  # Jobs have no names of ours in their ARNs, but tags.
  statement {
    sid       = "EndJobs"
    actions   = ["batch:TerminateJob"]
    resources = ["${local.batch}:job/*"]

    condition {
      test     = "StringLike"
      variable = "aws:ResourceTag/flow_sdk.flow"
      values   = ["*"]
    }
  }

  statement {
    sid       = "LookAtJobs"
    actions   = ["batch:DescribeJobs"]
    resources = ["*"]
  }

  statement {
    sid       = "WaitForJobs"
    actions   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
    resources = ["${local.events}:rule/StepFunctionsGetEventsForBatchJobsRule"]
  }

  statement {
    sid       = "WhereStepsLead"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.store.arn}/${var.prefix}/flows/*"]
  }

  statement {
    sid       = "StartItems"
    actions   = ["states:StartExecution"]
    resources = ["${local.states}:stateMachine:${local.names}"]
  }

  statement {
    sid     = "Items"
    actions = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"]
    resources = [
      "${local.states}:execution:${local.names}:*",
      "${local.states}:execution:${local.names}/*:*",
    ]
  }

  statement {
    sid = "History"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role" "state_machine" {
  name_prefix        = "${var.name}-state-machine-"
  description        = "Flow SDK, what state machines may do"
  assume_role_policy = data.aws_iam_policy_document.state_machine_trust.json
}

resource "aws_iam_role_policy" "state_machine" {
  name   = "flow-sdk-state-machine"
  role   = aws_iam_role.state_machine.id
  policy = data.aws_iam_policy_document.state_machine.json
}

data "aws_iam_policy_document" "scheduler_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "Start"
    actions   = ["states:StartExecution"]
    resources = ["${local.states}:stateMachine:${local.names}:live"]
  }
}

resource "aws_iam_role" "scheduler" {
  name_prefix        = "${var.name}-scheduler-"
  description        = "Flow SDK, starts state machines on schedule"
  assume_role_policy = data.aws_iam_policy_document.scheduler_trust.json
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "flow-sdk-scheduler"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "deployer" {
  statement {
    sid = "Objects"
    actions = [
      "s3:GetObject",
      "s3:PutObject",
      "s3:DeleteObject",
      "s3:AbortMultipartUpload",
      "s3:ListMultipartUploadParts",
    ]
    resources = ["${aws_s3_bucket.store.arn}/${var.prefix}/*"]
  }

  statement {
    sid       = "Names"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
  }

  statement {
    sid = "LookAtBatch"
    actions = [
      "batch:DescribeComputeEnvironments",
      "batch:DescribeJobDefinitions",
      "batch:DescribeJobQueues",
      "batch:DescribeJobs",
      "batch:ListJobs",
      "logs:DescribeLogGroups",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "JobDefinitions"
    actions   = ["batch:RegisterJobDefinition", "batch:TagResource"]
    resources = ["${local.batch}:job-definition/flow-sdk-*"]
  }

  statement {
    sid       = "Submit"
    actions   = ["batch:SubmitJob"]
    resources = ["${local.batch}:job-definition/flow-sdk-*", "${local.batch}:job-queue/${var.name}*"]
  }

  statement {
    sid       = "TagJobs"
    actions   = ["batch:TagResource"]
    resources = ["${local.batch}:job/*"]
  }

  # Jobs have no names of ours in their ARNs, but tags.
  statement {
    sid       = "EndJobs"
    actions   = ["batch:TerminateJob"]
    resources = ["${local.batch}:job/*"]

    condition {
      test     = "StringLike"
      variable = "aws:ResourceTag/flow_sdk.flow"
      values   = ["*"]
    }
  }

  statement {
    sid       = "JobLogs"
    actions   = ["logs:GetLogEvents"]
    resources = ["${local.logs}:log-group:/aws/batch/job:*"]
  }

  statement {
    sid = "StateMachines"
    actions = [
      "states:CreateStateMachine",
      "states:CreateStateMachineAlias",
      "states:DeleteStateMachine",
      "states:DeleteStateMachineAlias",
      "states:DeleteStateMachineVersion",
      "states:DescribeStateMachine",
      "states:DescribeStateMachineAlias",
      "states:ListExecutions",
      "states:ListStateMachineAliases",
      "states:ListStateMachineVersions",
      "states:ListTagsForResource",
      "states:PublishStateMachineVersion",
      "states:StartExecution",
      "states:TagResource",
      "states:UpdateStateMachine",
      "states:UpdateStateMachineAlias",
    ]
    resources = [
      "${local.states}:stateMachine:${local.names}",
      "${local.states}:stateMachine:${local.names}:*",
    ]
  }

  statement {
    sid = "Executions"
    actions = [
      "states:DescribeExecution",
      "states:GetExecutionHistory",
      "states:RedriveExecution",
      "states:StopExecution",
    ]
    resources = ["${local.states}:execution:${local.names}:*"]
  }

  statement {
    sid = "Schedules"
    actions = [
      "scheduler:CreateSchedule",
      "scheduler:DeleteSchedule",
      "scheduler:GetSchedule",
      "scheduler:UpdateSchedule",
    ]
    resources = ["${local.scheduler}:schedule/default/${local.names}"]
  }

  statement {
    sid = "Alerts"
    actions = [
      "events:DeleteRule",
      "events:DescribeRule",
      "events:ListTargetsByRule",
      "events:PutRule",
      "events:PutTargets",
      "events:RemoveTargets",
    ]
    resources = ["${local.events}:rule/${local.names}"]
  }

  statement {
    sid       = "Claims"
    actions   = ["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"]
    resources = ["${local.ssm}:parameter/flow-sdk/*"]
  }

  statement {
    sid     = "LookAtRoles"
    actions = ["iam:GetRole"]
    resources = [
      aws_iam_role.job.arn,
      aws_iam_role.execution.arn,
      aws_iam_role.state_machine.arn,
      aws_iam_role.scheduler.arn,
    ]
  }

  statement {
    sid       = "HandOnRolesToContainers"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.job.arn, aws_iam_role.execution.arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "HandOnRoleToStateMachines"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.state_machine.arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["states.amazonaws.com"]
    }
  }

  statement {
    sid       = "HandOnRoleToSchedules"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.scheduler.arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["scheduler.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "deployer" {
  name_prefix = "${var.name}-deployer-"
  description = "Flow SDK, for people and CI that deploy, run and follow flows"
  policy      = data.aws_iam_policy_document.deployer.json
}

data "aws_iam_policy_document" "machines_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

resource "aws_iam_role" "machines" {
  count              = local.on_ec2 ? 1 : 0
  name_prefix        = "${var.name}-machines-"
  description        = "Flow SDK, machines of AWS Batch"
  assume_role_policy = data.aws_iam_policy_document.machines_trust.json
}

resource "aws_iam_role_policy_attachment" "machines" {
  count      = local.on_ec2 ? 1 : 0
  role       = aws_iam_role.machines[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "machines" {
  count       = local.on_ec2 ? 1 : 0
  name_prefix = "${var.name}-"
  role        = aws_iam_role.machines[0].name
}
