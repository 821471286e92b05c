//! The IAM policy that permits what pin53 does for its rules, and nothing else.
//!
//! A batch of changes may hold all names of a zone and has to be permitted by one statement as a whole, so there is one
//! such statement for each zone, with all of its names and types.
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html>

mod terraform;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::desired::{OnConflict, Rule, ZoneChoice};
use crate::dns::{Name, RecordType, ZoneId};
use crate::pattern::{Item, Pattern};

/// What a policy is for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The rules, each with the zone of its record.
    pub rules: &'a [(&'a Rule, ZoneId)],
    /// What ARNs begin with behind `arn:`.
    pub partition: &'a str,
    /// The role that pin53 assumes, where it assumes one.
    pub role: Option<&'a str>,
    /// Actions by which somebody is told of what happens, each with its resource.
    pub tells: &'a BTreeSet<(&'static str, String)>,
}

/// A policy, to be printed in one of several forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    action: OneOrMore<&'static str>,
    resource: OneOrMore<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, Keys>,
}

/// The values that each key of a condition may have.
type Keys = BTreeMap<&'static str, Vec<String>>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    fn of(mut values: Vec<T>) -> Self {
        match values.pop() {
            Some(only) if values.is_empty() => Self::One(only),
            last => {
                values.extend(last);
                Self::More(values)
            }
        }
    }

    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

const NAMES: &str = "route53:ChangeResourceRecordSetsNormalizedRecordNames";
const TYPES: &str = "route53:ChangeResourceRecordSetsRecordTypes";
const ACTIONS: &str = "route53:ChangeResourceRecordSetsActions";
const EQUAL: &str = "ForAllValues:StringEquals";
const LIKE: &str = "ForAllValues:StringLike";

/// What may be changed in one zone.
#[derive(Debug, Default)]
struct Grant {
    names: BTreeSet<String>,
    types: BTreeSet<&'static str>,
    is_glob: bool,
}

impl Policy {
    #[must_use]
    pub fn for_rules(wanted: Wanted<'_>) -> Self {
        let Wanted { rules, partition, role, tells } = wanted;
        let mut grants: BTreeMap<&ZoneId, Grant> = BTreeMap::new();
        for (rule, zone) in rules {
            grants.entry(zone).or_default().include(rule);
        }
        let arn = |resource: &str| format!("arn:{partition}:route53:::{resource}");
        let zones: Vec<String> = grants.keys().map(|zone| arn(&format!("hostedzone/{zone}"))).collect();
        let is_found = |rule: &Rule| !matches!(rule.zone, ZoneChoice::Id(_));
        let mut statement = Vec::new();
        if rules.iter().any(|(rule, _)| is_found(rule)) {
            statement.push(allow(
                "FindTheHostedZone",
                &["route53:ListHostedZonesByName"],
                vec!["*".to_owned()],
            ));
        }
        if rules.iter().any(|(rule, _)| is_found(rule) && rule.private) {
            let actions = ["route53:ListHostedZonesByVPC", "ec2:DescribeVpcs"];
            statement.push(allow("ChooseAmongPrivateZones", &actions, vec!["*".to_owned()]));
        }
        statement.push(allow("ReadTheRecord", &["route53:ListResourceRecordSets"], zones.clone()));
        for (i, (grant, zone)) in grants.into_values().zip(zones).enumerate() {
            let number = if i == 0 { String::new() } else { (i + 1).to_string() };
            let sid = format!("ChangeTheRecord{number}");
            let change = allow(&sid, &["route53:ChangeResourceRecordSets"], vec![zone]);
            statement.push(Statement { condition: grant.condition(), ..change });
        }
        statement.push(allow("FollowTheChange", &["route53:GetChange"], vec![arn("change/*")]));
        if let Some(role) = role {
            statement.push(allow("AssumeTheRole", &["sts:AssumeRole"], vec![role.to_owned()]));
        }
        for (i, (action, resource)) in tells.iter().enumerate() {
            let number = if i == 0 { String::new() } else { (i + 1).to_string() };
            statement.push(allow(&format!("TellOfIt{number}"), &[action], vec![resource.clone()]));
        }
        Self { version: "2012-10-17", statement }
    }

    /// The document as IAM takes it.
    ///
    /// # Errors
    /// When JSON can't say it, which text always can be.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// A CloudFormation template, in JSON, that makes a managed policy of it.
    ///
    /// # Errors
    /// As for [`json`](Self::json).
    pub fn cloudformation(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Template<'a> {
            #[serde(rename = "AWSTemplateFormatVersion")]
            version: &'static str,
            description: &'static str,
            resources: BTreeMap<&'static str, Resource<'a>>,
            outputs: serde_json::Value,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Resource<'a> {
            r#type: &'static str,
            properties: Properties<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Properties<'a> {
            description: &'static str,
            policy_document: &'a Policy,
        }
        let properties = Properties { description: PURPOSE, policy_document: self };
        let resource = Resource { r#type: "AWS::IAM::ManagedPolicy", properties };
        serde_json::to_string_pretty(&Template {
            version: "2010-09-09",
            description: PURPOSE,
            resources: [("Pin53Policy", resource)].into(),
            outputs: serde_json::json!({"PolicyArn": {"Value": {"Ref": "Pin53Policy"}}}),
        })
    }

    /// Terraform's data source of the document, and a managed policy made of it.
    #[must_use]
    pub fn terraform(&self) -> String {
        terraform::written(self)
    }
}

const PURPOSE: &str = "What pin53 does for its names, and nothing else";

fn allow(sid: &str, actions: &[&'static str], resources: Vec<String>) -> Statement {
    Statement {
        sid: sid.to_owned(),
        effect: "Allow",
        action: OneOrMore::of(actions.to_vec()),
        resource: OneOrMore::of(resources),
        condition: BTreeMap::new(),
    }
}

/// The types that make way for a record with `on_conflict = "replace"`.
const REPLACEABLE: [RecordType; 3] = [RecordType::A, RecordType::Aaaa, RecordType::Cname];

impl Grant {
    fn include(&mut self, rule: &Rule) {
        self.is_glob |= matches!(rule.name, Pattern::Worded(_));
        let name = rule.name.filled(glob);
        let mut types = vec![rule.rtype];
        if rule.terms.on_conflict == OnConflict::Replace {
            types.extend(REPLACEABLE);
        }
        self.names.extend(normalized(&name));
        if rule.terms.owner.is_some() {
            // As `plan::marker` has them, those of what makes way too.
            let prefix = |rtype: &RecordType| format!("{}-{name}", rtype.as_str().to_ascii_lowercase());
            self.names.extend(types.iter().map(prefix).filter_map(|name| normalized(&name)));
            types.push(RecordType::Txt);
        }
        self.types.extend(types.iter().map(|rtype| rtype.as_str()));
    }

    fn condition(self) -> BTreeMap<&'static str, Keys> {
        let types = self.types.into_iter().map(str::to_owned).collect();
        let actions = ["CREATE", "DELETE"].map(str::to_owned).to_vec();
        let mut equal = Keys::from([(TYPES, types), (ACTIONS, actions)]);
        let names = self.names.into_iter().collect();
        if self.is_glob {
            return [(EQUAL, equal), (LIKE, Keys::from([(NAMES, names)]))].into();
        }
        equal.insert(NAMES, names);
        [(EQUAL, equal)].into()
    }
}

/// A character that no name has, in the place of IAM's asterisk.
const ANYTHING: char = '\u{1}';

/// What IAM can say of a word that the metadata fills in.
fn glob(item: &Item) -> String {
    match item {
        Item::InstanceId => format!("i-{ANYTHING}"),
        _ => ANYTHING.to_string(),
    }
}

/// A name as Route 53 hands it to IAM: lower case, no final dot, all but letters, digits, `-`, `_` and `.` as `\ooo`.
fn normalized(name: &str) -> Option<String> {
    let name = Name::parse(name).ok()?.to_route53();
    Some(name.trim_end_matches('.').replace("\\001", "*"))
}
