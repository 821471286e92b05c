output "launch_template_id" {
  description = "Starts instances that pin the names: aws ec2 run-instances --launch-template LaunchTemplateId=..."
  value       = aws_launch_template.pin53.id
}

output "instance_profile_name" {
  description = "For instances that you describe yourself."
  value       = aws_iam_instance_profile.pin53.name
}

output "role_name" {
  description = "To attach what else the instance may do."
  value       = aws_iam_role.pin53.name
}

output "policy" {
  description = "What pin53 may do, as JSON."
  value       = jsonencode(local.policy)
}

output "user_data" {
  description = "Installs pin53 and pins the names, for instances that you describe yourself."
  value       = local.user_data
}
