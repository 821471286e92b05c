//! `pin53 policy`: what is permitted for which configuration, and in which form it is printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use pin53::config::{self, Overrides, Settings};
use pin53::desired::ZoneChoice;
use pin53::dns::ZoneId;
use pin53::env::Env;
use pin53::notify::Target;
use pin53::policy::{Policy, Wanted};
use pin53::sandbox::Operation;

use crate::binary::{Ran, plain};

fn settings(file: &Path) -> Settings {
    let overrides = Overrides { config: Some(file.to_owned()), ..Overrides::default() };
    config::load(&overrides, &Env::default()).unwrap()
}

/// The policy for settings, whose zones are all found as the same one where they aren't given.
fn policy(settings: &Settings, partition: &str) -> Policy {
    let zone = |choice: &ZoneChoice| match choice {
        ZoneChoice::Id(id) => id.clone(),
        _ => ZoneId::parse("Z0123456789EXAMPLE").unwrap(),
    };
    let rules: Vec<_> = settings.rules.iter().map(|rule| (rule, zone(&rule.zone))).collect();
    let role = settings.aws.assume_role.as_ref().map(|role| role.arn.as_str());
    Policy::for_rules(Wanted { rules: &rules, partition, role, tells: &BTreeSet::new() })
}

fn of(toml: &str, partition: &str) -> Policy {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), toml).unwrap();
    policy(&settings(file.path()), partition)
}

#[test]
fn the_policy_in_deploy_is_the_one_for_the_example_configuration() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let policy = policy(&settings(&deploy.join("config.example.toml")), "aws");
    assert_eq!(fs::read_to_string(deploy.join("iam/policy.json")).unwrap(), policy.json().unwrap() + "\n");
}

const MANY: &str = r#"
    [[record]]
    name = "*.Dev.example.com."
    zone = "Z1"
    owner = "me"
    [[record]]
    name = "vpn.example.com"
    type = "AAAA"
    zone = "Z1"
    on_conflict = "replace"
    [[record]]
    name = "{{ instance_id }}-web.{{ region }}.example.org"
    type = "A"
    zone = "Z2"
    owner = "me"
"#;

#[test]
fn each_zone_has_one_statement_with_all_of_its_names_types_and_markers() {
    insta::assert_snapshot!(of(MANY, "aws-cn").json().unwrap(), @r#"
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "ReadTheRecord",
          "Effect": "Allow",
          "Action": "route53:ListResourceRecordSets",
          "Resource": [
            "arn:aws-cn:route53:::hostedzone/Z1",
            "arn:aws-cn:route53:::hostedzone/Z2"
          ]
        },
        {
          "Sid": "ChangeTheRecord",
          "Effect": "Allow",
          "Action": "route53:ChangeResourceRecordSets",
          "Resource": "arn:aws-cn:route53:::hostedzone/Z1",
          "Condition": {
            "ForAllValues:StringEquals": {
              "route53:ChangeResourceRecordSetsActions": [
                "CREATE",
                "DELETE"
              ],
              "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
                "\\052.dev.example.com",
                "cname-\\052.dev.example.com",
                "vpn.example.com"
              ],
              "route53:ChangeResourceRecordSetsRecordTypes": [
                "A",
                "AAAA",
                "CNAME",
                "TXT"
              ]
            }
          }
        },
        {
          "Sid": "ChangeTheRecord2",
          "Effect": "Allow",
          "Action": "route53:ChangeResourceRecordSets",
          "Resource": "arn:aws-cn:route53:::hostedzone/Z2",
          "Condition": {
            "ForAllValues:StringEquals": {
              "route53:ChangeResourceRecordSetsActions": [
                "CREATE",
                "DELETE"
              ],
              "route53:ChangeResourceRecordSetsRecordTypes": [
                "A",
                "TXT"
              ]
            },
            "ForAllValues:StringLike": {
              "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
                "a-i-*-web.*.example.org",
                "i-*-web.*.example.org"
              ]
            }
          }
        },
        {
          "Sid": "FollowTheChange",
          "Effect": "Allow",
          "Action": "route53:GetChange",
          "Resource": "arn:aws-cn:route53:::change/*"
        }
      ]
    }
    "#);
}

#[test]
fn zones_that_are_not_given_may_be_looked_for_and_private_ones_by_their_network() {
    let sids = |more: &str| {
        let toml = format!("[[record]]\nname = 'db.internal'\n{more}\n");
        let document: serde_json::Value = serde_json::from_str(&of(&toml, "aws").json().unwrap()).unwrap();
        let statements = document["Statement"].as_array().unwrap().clone();
        statements.iter().map(|statement| statement["Sid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let given = ["ReadTheRecord", "ChangeTheRecord", "FollowTheChange"];
    assert_eq!(sids("private = true\nzone = 'Z1'"), given);
    assert_eq!(sids("zone = 'internal'"), [&["FindTheHostedZone"], &given[..]].concat());
    let private = [&["FindTheHostedZone", "ChooseAmongPrivateZones"], &given[..]].concat();
    assert_eq!(sids("private = true"), private);
}

#[test]
fn a_role_to_assume_is_permitted_too() {
    let role = "arn:aws:iam::123456789012:role/dns";
    let toml = format!(
        "[aws]\nassume_role = {{ arn = '{role}' }}\n[[record]]\nname = 'vpn.example.com'\nzone = 'Z1'\n"
    );
    let document: serde_json::Value = serde_json::from_str(&of(&toml, "aws").json().unwrap()).unwrap();
    let last = document["Statement"].as_array().unwrap().last().unwrap().clone();
    let expected = serde_json::json!({"Sid": "AssumeTheRole", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role});
    assert_eq!(last, expected);
}

#[test]
fn terraform_gets_a_document_with_its_escapes() {
    let toml = "[[record]]\nname = '*.example.com'\nzone = 'Z1'\n[[record]]\nname = 'vpn.example.com'\nzone = 'Z1'\n";
    insta::assert_snapshot!(of(toml, "aws").terraform(), @r#"
    data "aws_iam_policy_document" "pin53" {
      statement {
        sid       = "ReadTheRecord"
        actions   = ["route53:ListResourceRecordSets"]
        resources = ["arn:aws:route53:::hostedzone/Z1"]
      }

      statement {
        sid       = "ChangeTheRecord"
        actions   = ["route53:ChangeResourceRecordSets"]
        resources = ["arn:aws:route53:::hostedzone/Z1"]

        condition {
          test     = "ForAllValues:StringEquals"
          variable = "route53:ChangeResourceRecordSetsActions"
          values   = ["CREATE", "DELETE"]
        }

        condition {
          test     = "ForAllValues:StringEquals"
          variable = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
          values   = ["\\052.example.com", "vpn.example.com"]
        }

        condition {
          test     = "ForAllValues:StringEquals"
          variable = "route53:ChangeResourceRecordSetsRecordTypes"
          values   = ["CNAME"]
        }
      }

      statement {
        sid       = "FollowTheChange"
        actions   = ["route53:GetChange"]
        resources = ["arn:aws:route53:::change/*"]
      }
    }

    resource "aws_iam_policy" "pin53" {
      name        = "pin53"
      description = "What pin53 does for its names, and nothing else"
      policy      = data.aws_iam_policy_document.pin53.json
    }
    "#);
}

#[test]
fn cloudformation_gets_a_managed_policy() {
    let toml = "[[record]]\nname = 'vpn.example.com'\nzone = 'Z1'\n";
    let template: serde_json::Value =
        serde_json::from_str(&of(toml, "aws").cloudformation().unwrap()).unwrap();
    let policy = &template["Resources"]["Pin53Policy"];
    assert_eq!(policy["Type"], "AWS::IAM::ManagedPolicy");
    let document: serde_json::Value = serde_json::from_str(&of(toml, "aws").json().unwrap()).unwrap();
    assert_eq!(policy["Properties"]["PolicyDocument"], document);
}

const GIVEN: &[&str] = &["policy", "--name", "vpn.example.com", "--zone", "Z0123456789EXAMPLE"];

#[tokio::test]
async fn nobody_is_asked_where_the_zone_is_given() {
    let town = plain().await;
    for format in ["json", "terraform", "cloudformation"] {
        let ran = town.run(&[GIVEN, &["--format", format]].concat()).await;
        assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{ran:?}");
        assert!(ran.out.contains("arn:aws:route53:::hostedzone/Z0123456789EXAMPLE"), "{ran:?}");
        assert!(!ran.out.contains("ListHostedZonesByName"), "{ran:?}");
    }
    assert_eq!(town.running.world.requests().len(), 0);
}

#[tokio::test]
async fn a_zone_that_is_not_given_is_found() {
    let town = plain().await;
    let zone = town.running.world.zone_of(&crate::house::name("example.com")).unwrap();
    for name in ["vpn.example.com", "{{ instance_id }}.example.com"] {
        let ran = town.run(&["policy", "--name", name]).await;
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert!(ran.out.contains(&format!("hostedzone/{zone}")), "{ran:?}");
        assert!(ran.out.contains("route53:ListHostedZonesByName"), "{ran:?}");
        // What IAM can't tell apart is said.
        assert_eq!(ran.err.starts_with("warning: IAM can't know"), name.contains('{'), "{ran:?}");
    }
    assert_eq!(town.running.world.calls(Operation::ChangeResourceRecordSets), 0);
    let ran = town.run(&["policy", "--name", "vpn.example.org"]).await;
    assert_eq!((ran.status, ran.out.as_str()), (Some(78), ""), "{ran:?}");
    let ran = town.run(&["policy", "--name", "vpn.{{ tags.domain }}"]).await;
    assert_eq!((ran.status, ran.out.as_str()), (Some(78), ""), "{ran:?}");
    assert!(ran.err.contains("give the zone"), "{ran:?}");
}

#[tokio::test]
async fn the_partition_is_that_of_the_region() {
    let town = plain().await;
    for (region, partition) in
        [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
    {
        let output: Output = town.pin53(GIVEN).env("AWS_REGION", region).output().await.unwrap();
        let ran = Ran::of(output);
        assert!(ran.out.contains(&format!("arn:{partition}:route53:::change/*")), "{ran:?}");
    }
}

#[test]
fn whoever_is_told_through_aws_is_in_the_policy_and_nobody_else() {
    let targets = [
        Target::Lambda("told".parse().unwrap()),
        Target::Sns("arn:aws:sns:eu-west-1:123456789012:told".parse().unwrap()),
        Target::Command(pin53::program::Program::parse("told").unwrap()),
    ];
    let tells = targets.iter().filter_map(|target| target.permission("aws")).collect();
    let policy = Policy::for_rules(Wanted { rules: &[], partition: "aws", role: None, tells: &tells });
    let policy: serde_json::Value = serde_json::from_str(&policy.json().unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let told: Vec<(&str, &str)> = statements
        .iter()
        .filter(|statement| statement["Sid"].as_str().unwrap().starts_with("TellOfIt"))
        .map(|statement| (statement["Action"].as_str().unwrap(), statement["Resource"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("lambda:InvokeFunction", "arn:aws:lambda:*:*:function:told"),
            ("sns:Publish", "arn:aws:sns:eu-west-1:123456789012:told")
        ]
    );
}
