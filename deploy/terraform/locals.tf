# What a provider isn't needed for: the policy, and the user data.

locals {
  # As `pin53 policy` gives it for these names.
  policy = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadTheRecord"
        Effect   = "Allow"
        Action   = "route53:ListResourceRecordSets"
        Resource = "arn:${var.partition}:route53:::hostedzone/${var.zone_id}"
      },
      {
        Sid      = "ChangeTheRecord"
        Effect   = "Allow"
        Action   = "route53:ChangeResourceRecordSets"
        Resource = "arn:${var.partition}:route53:::hostedzone/${var.zone_id}"
        Condition = {
          "ForAllValues:StringEquals" = {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames" = local.normalized_names
            "route53:ChangeResourceRecordSetsRecordTypes"           = [var.type]
            "route53:ChangeResourceRecordSetsActions"               = ["CREATE", "DELETE"]
          }
        }
      },
      {
        Sid      = "FollowTheChange"
        Effect   = "Allow"
        Action   = "route53:GetChange"
        Resource = "arn:${var.partition}:route53:::change/*"
      },
    ]
  }

  # Route 53 compares lower case, without the final dot, and with the asterisk as an escape.
  normalized_names = [for name in var.names : replace(lower(trimsuffix(name, ".")), "*", "\\052")]

  user_data = templatefile("${path.module}/../cloud-init/user-data.yaml", {
    Names         = join(",", var.names)
    Type          = var.type
    ZoneId        = var.zone_id
    PackageUrl    = var.package_url
    PackageSha256 = var.package_sha256
  })
}
