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
        Condition = merge(
          {
            "ForAllValues:StringEquals" = merge(
              {
                "route53:ChangeResourceRecordSetsRecordTypes" = [var.type]
                "route53:ChangeResourceRecordSetsActions"     = ["CREATE", "DELETE"]
              },
              local.are_patterns ? {} : local.granted_names
            )
          },
          local.are_patterns ? { "ForAllValues:StringLike" = local.granted_names } : {}
        )
      },
      {
        Sid      = "FollowTheChange"
        Effect   = "Allow"
        Action   = "route53:GetChange"
        Resource = "arn:${var.partition}:route53:::change/*"
      },
    ]
  }

  # Route 53 compares lower case, without the final dot, and with the asterisk as an escape. What the metadata fills
  # in becomes IAM's asterisk.
  are_patterns = length(regexall("{{", join("", var.names))) > 0
  granted_names = {
    "route53:ChangeResourceRecordSetsNormalizedRecordNames" = sort([
      for name in var.names :
      replace(replace(replace(lower(trimsuffix(name, ".")), "*", "\\052"), "/{{ *instance_id *}}/", "i-*"), "/{{[^}]*}}/", "*")
    ])
  }

  user_data = templatefile("${path.module}/../cloud-init/user-data.yaml", {
    Names         = join(",", var.names)
    Type          = var.type
    ZoneId        = var.zone_id
    PackageUrl    = var.package_url
    PackageSha256 = var.package_sha256
  })
}
