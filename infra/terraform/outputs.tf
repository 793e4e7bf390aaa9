# Named as Flow SDK's settings: flow-sdk configure aws --terraform-output FILE takes them over.

output "datastore_sysroot_s3" {
  description = "Where artifacts are kept."
  value       = "s3://${aws_s3_bucket.store.bucket}/${var.prefix}"
}

output "batch_job_queue" {
  description = "Job queue."
  value       = aws_batch_job_queue.jobs.name
}

output "batch_platform" {
  description = "What the queue runs on."
  value       = var.platform
}

output "batch_job_role" {
  description = "Role of steps."
  value       = aws_iam_role.job.arn
}

output "batch_execution_role" {
  description = "Role that gets images and writes logs."
  value       = aws_iam_role.execution.arn
}

output "sfn_iam_role" {
  description = "Role of state machines."
  value       = aws_iam_role.state_machine.arn
}

output "sfn_state_machine_prefix" {
  description = "What the names of state machines, schedules and rules begin with."
  value       = var.state_machines == "" ? var.name : null
}

output "events_sfn_access_iam_role" {
  description = "Role of schedules."
  value       = aws_iam_role.scheduler.arn
}

output "sfn_execution_log_group_arn" {
  description = "Log group for the history of runs."
  value       = "${aws_cloudwatch_log_group.runs.arn}:*"
}

output "deployer_policy" {
  description = "Policy to attach to those who deploy and run flows."
  value       = aws_iam_policy.deployer.arn
}

output "alert_topic" {
  description = "Topic for step-functions create --alert-topic."
  value       = one(aws_sns_topic.alerts[*].arn)
}
