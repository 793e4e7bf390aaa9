variable "name" {
  type        = string
  default     = "flow-sdk"
  description = "Name of the job queue, and the beginning of the other names."

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,22}$", var.name))
    error_message = "Up to 23 letters, digits and hyphens, a letter first."
  }
}

variable "vpc_id" {
  type        = string
  default     = null
  description = "The network that containers run in; the account's default VPC otherwise."
}

variable "subnet_ids" {
  type        = list(string)
  default     = []
  description = "Its subnets; all of them otherwise. They need a way to S3, ECR and CloudWatch."
}

variable "security_group_ids" {
  type        = list(string)
  default     = []
  description = "Security groups of the containers. When empty, one is made that lets nothing in and everything out."
}

variable "platform" {
  type        = string
  default     = "FARGATE"
  description = "What containers run on: FARGATE or EC2. GPUs and shared memory need EC2."

  validation {
    condition     = contains(["FARGATE", "EC2"], var.platform)
    error_message = "FARGATE or EC2."
  }
}

variable "spot" {
  type        = bool
  default     = false
  description = "Whether to take spare capacity, which is cheaper and may be taken away in the middle of a task."
}

variable "instance_types" {
  type        = list(string)
  default     = ["optimal"]
  description = "For EC2 only. Instance types or families, such as c7i, m7i, g5.xlarge."
}

variable "max_vcpus" {
  type        = number
  default     = 64
  description = "How many vCPUs may be in use at a time."
}

variable "bucket" {
  type        = string
  default     = null
  description = "Name of the bucket to make; one is made up otherwise."
}

variable "prefix" {
  type        = string
  default     = "flow-sdk"
  description = "Folder of the bucket that the store lies in."

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.prefix))
    error_message = "Letters, digits, _ and -, in folders separated by /."
  }
}

variable "undelete_days" {
  type        = number
  default     = 30
  description = "For how many days an object that was deleted or overwritten can be brought back."
}

variable "state_machines" {
  type        = string
  default     = ""
  description = "Names of the state machines, schedules and rules that Flow SDK may use, such as myproject.*; when empty, those that begin with the name and _, and the output sfn_state_machine_prefix gives all flows such names."

  validation {
    condition     = can(regex("^[A-Za-z0-9_.*-]*$", var.state_machines))
    error_message = "Letters, digits, _ . - and * for anything."
  }
}

variable "alert_email" {
  type        = string
  default     = ""
  description = "Address that alerts are sent to. When empty, no topic for alerts is made."
}

variable "make_job_log_group" {
  type        = bool
  default     = true
  description = "Say false if this account and region has used AWS Batch before and so has the log group /aws/batch/job."
}

variable "log_days" {
  type        = number
  default     = 30
  description = "For how many days CloudWatch keeps logs. What tasks print is kept in the store as well."
}
