# An instance profile with the least that pin53 needs, and a launch template that installs it.

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

resource "aws_iam_role" "pin53" {
  name_prefix = "${var.resource_name}-"
  description = "Instances that keep ${join(", ", var.names)} pinned"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "pin53" {
  name   = "pin53"
  role   = aws_iam_role.pin53.name
  policy = jsonencode(local.policy)
}

resource "aws_iam_instance_profile" "pin53" {
  name_prefix = "${var.resource_name}-"
  role        = aws_iam_role.pin53.name
}

resource "aws_launch_template" "pin53" {
  name_prefix = "${var.resource_name}-"
  user_data   = base64encode(local.user_data)

  iam_instance_profile {
    arn = aws_iam_instance_profile.pin53.arn
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
}
