# What Flow SDK needs to run flows on AWS Step Functions and AWS Batch. The roles are in iam.tf.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

data "aws_vpc" "default" {
  count   = var.vpc_id == null ? 1 : 0
  default = true
}

data "aws_subnets" "all" {
  count = length(var.subnet_ids) == 0 ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [local.vpc_id]
  }
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  here      = "${data.aws_region.current.name}:${local.account}"

  batch     = "arn:${local.partition}:batch:${local.here}"
  events    = "arn:${local.partition}:events:${local.here}"
  logs      = "arn:${local.partition}:logs:${local.here}"
  scheduler = "arn:${local.partition}:scheduler:${local.here}"
  ssm       = "arn:${local.partition}:ssm:${local.here}"
  states    = "arn:${local.partition}:states:${local.here}"

  # Of state machines, schedules and rules.
  names = var.state_machines == "" ? "${var.name}_*" : var.state_machines

  on_ec2             = var.platform == "EC2"
  vpc_id             = var.vpc_id == null ? data.aws_vpc.default[0].id : var.vpc_id
  subnet_ids         = length(var.subnet_ids) == 0 ? data.aws_subnets.all[0].ids : var.subnet_ids
  security_group_ids = length(var.security_group_ids) == 0 ? aws_security_group.jobs[*].id : var.security_group_ids
}

resource "aws_s3_bucket" "store" {
  bucket        = var.bucket
  bucket_prefix = var.bucket == null ? "${var.name}-" : null

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# Results are written once under names of their own. Versions are there to bring back what somebody deleted.
resource "aws_s3_bucket_versioning" "store" {
  bucket = aws_s3_bucket.store.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    id     = "UnfinishedUploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "OldVersions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.undelete_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  depends_on = [aws_s3_bucket_versioning.store]
}

data "aws_iam_policy_document" "store" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.store.arn, "${aws_s3_bucket.store.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "store" {
  bucket = aws_s3_bucket.store.id
  policy = data.aws_iam_policy_document.store.json

  depends_on = [aws_s3_bucket_public_access_block.store]
}

resource "aws_cloudwatch_log_group" "jobs" {
  count             = var.make_job_log_group ? 1 : 0
  name              = "/aws/batch/job"
  retention_in_days = var.log_days
}

# With this beginning of its name, the group doesn't count towards the size limit of CloudWatch's resource policies.
resource "aws_cloudwatch_log_group" "runs" {
  name              = "/aws/vendedlogs/states/${var.name}"
  retention_in_days = var.log_days
}

resource "aws_security_group" "jobs" {
  count       = length(var.security_group_ids) == 0 ? 1 : 0
  name_prefix = "${var.name}-"
  description = "Flow SDK, containers of AWS Batch. Nothing comes in."
  vpc_id      = local.vpc_id

  egress {
    description = "To AWS, and to what steps call"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_batch_compute_environment" "jobs" {
  compute_environment_name_prefix = "${var.name}-"
  type                            = "MANAGED"
  state                           = "ENABLED"

  compute_resources {
    type                = local.on_ec2 ? (var.spot ? "SPOT" : "EC2") : (var.spot ? "FARGATE_SPOT" : "FARGATE")
    allocation_strategy = local.on_ec2 ? (var.spot ? "SPOT_PRICE_CAPACITY_OPTIMIZED" : "BEST_FIT_PROGRESSIVE") : null
    min_vcpus           = local.on_ec2 ? 0 : null
    max_vcpus           = var.max_vcpus
    instance_type       = local.on_ec2 ? var.instance_types : null
    instance_role       = local.on_ec2 ? aws_iam_instance_profile.machines[0].arn : null
    subnets             = local.subnet_ids
    security_group_ids  = local.security_group_ids
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Its name is the beginning of those of the queues that state machines may use: further ones can be named NAME-gpu.
resource "aws_batch_job_queue" "jobs" {
  name     = var.name
  priority = 1
  state    = "ENABLED"

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.jobs.arn
  }
}

resource "aws_sns_topic" "alerts" {
  count       = var.alert_email == "" ? 0 : 1
  name_prefix = "${var.name}-alerts-"
}

resource "aws_sns_topic_subscription" "alerts" {
  count     = var.alert_email == "" ? 0 : 1
  topic_arn = aws_sns_topic.alerts[0].arn
  protocol  = "email"
  endpoint  = var.alert_email
}

data "aws_iam_policy_document" "alerts" {
  count = var.alert_email == "" ? 0 : 1

  statement {
    sid       = "Rules"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts[0].arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.events}:rule/${local.names}"]
    }
  }
}

resource "aws_sns_topic_policy" "alerts" {
  count  = var.alert_email == "" ? 0 : 1
  arn    = aws_sns_topic.alerts[0].arn
  policy = data.aws_iam_policy_document.alerts[0].json
}
