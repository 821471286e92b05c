//! The grammar and the merging, against the cases that the SDKs share and against what botocore reads.

use serde_json::{Map, Value, json};

use super::grammar::nested;
use super::*;

fn read(config: Option<&str>, credentials: Option<&str>) -> Result<Profiles, Error> {
    let mut profiles = Profiles::default();
    for (kind, text) in [(Kind::Config, config), (Kind::Credentials, credentials)] {
        if let Some(text) = text {
            profiles.add(kind, PathBuf::from("file"), text)?;
        }
    }
    Ok(profiles)
}

fn shown(sections: &BTreeMap<String, Section>, value: impl Fn(&str) -> Value) -> Value {
    let shown = |section: &Section| -> Value {
        section.0.iter().map(|(name, property)| (name.clone(), value(&property.value))).collect()
    };
    sections.iter().map(|(name, section)| (name.clone(), shown(section))).collect()
}

/// The fault in the words of the cases.
fn in_their_words(error: &Error) -> &'static str {
    let Error::Grammar { fault, .. } = error else { panic!("{error}") };
    match fault.kind {
        FaultKind::UnclosedSection => "Profile definition must end with ']'",
        FaultKind::NoSection => "Expected a profile definition",
        FaultKind::NothingToContinue => "Expected a property definition, found continuation",
        FaultKind::NoEquals => "Expected an '=' sign defining a property",
        FaultKind::NoName => "Property did not have a name",
        FaultKind::NoNestedEquals => "Expected an '=' sign defining a sub-property",
        FaultKind::NoNestedName => "Sub-property did not have a name",
    }
}

#[test]
fn every_case_that_the_sdks_share_is_read_as_they_read_it() {
    let cases: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/profile_files.json")).unwrap();
    let cases = cases["tests"].as_array().unwrap();
    assert!(cases.len() >= 65);
    for case in cases {
        let name = &case["name"];
        let input = &case["input"];
        let found = read(input["configFile"].as_str(), input["credentialsFile"].as_str());
        match (&found, case["output"]["errorContaining"].as_str()) {
            (Err(error), Some(wanted)) => assert!(in_their_words(error).contains(wanted), "{name}: {error}"),
            (Ok(found), None) => {
                let wanted = &case["output"]["config"];
                assert_eq!(shown(&found.named, |v| json!(v)), wanted["profiles"], "{name}");
                let sessions = wanted.get("sso_sessions").cloned().unwrap_or_else(|| json!({}));
                assert_eq!(shown(&found.sso_sessions, |v| json!(v)), sessions, "{name}");
            }
            _ => panic!("{name}: {:?}", found.err().map(|error| error.to_string())),
        }
    }
}

/// Where botocore's reading isn't the SDKs' common one, and ours is the latter.
const BOTOCORE_DIFFERS: &[(&str, &str)] = &[
    ("profile-default-prefix", "[profile default] wins over [default] in whatever order they stand"),
    ("quoted-name", "a name in quotes, or with spaces in it, is none"),
    ("case", "[Default] is no profile of the config file, and no property of it"),
    ("dup-key", "the last of several counts"),
    ("bom", "a byte order mark is passed over"),
    ("creds", "[profile x] is no profile of the credentials file"),
];

#[test]
fn what_botocore_reads_is_read_alike_but_for_the_listed_differences() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/aws_config_files.json")).unwrap();
    let value = |text: &str| match text.strip_prefix('\n') {
        Some(body) => nested(body).map(|(k, v)| (k.to_owned(), json!(v))).collect::<Map<_, _>>().into(),
        None => json!(text),
    };
    let mut differing = Vec::new();
    for case in vectors["cases"].as_array().unwrap() {
        let (name, text) = (case["name"].as_str().unwrap(), case["text"].as_str());
        let alike = if case["kind"] == "config" {
            match read(text, None) {
                Err(_) => case.get("error").is_some(),
                Ok(found) => {
                    let found = json!({
                        "profiles": shown(&found.named, value),
                        "sso_sessions": shown(&found.sso_sessions, value),
                        "services": shown(&found.services, value),
                    });
                    case.get("result") == Some(&found)
                }
            }
        } else {
            case.get("result") == Some(&shown(&read(None, text).unwrap().named, value))
        };
        if !alike {
            differing.push(name.to_owned());
        }
    }
    let listed: Vec<&str> = BOTOCORE_DIFFERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(differing, listed);
}

#[test]
fn a_property_knows_its_file_and_blank_is_left_out() {
    let found = read(Some("[default]\nregion = a\noutput =\n"), Some("[default]\nregion = b\n")).unwrap();
    let default = found.profile("default").unwrap();
    assert_eq!((default.get("region"), default.kind_of("region")), (Some("b"), Some(Kind::Credentials)));
    assert_eq!(default.get("output"), None);
}

#[test]
fn a_nested_property_is_found_within_its_own() {
    let text = "[services s]\nroute_53 =\n  endpoint_url = http://a\nsts = x\n [profile x]\n";
    let found = read(Some(text), None).unwrap();
    let services = found.services("s").unwrap();
    assert_eq!(services.nested("route_53", "endpoint_url"), Some("http://a"));
    assert_eq!(services.nested("route_53", "other"), None);
    assert_eq!(services.nested("sts", "endpoint_url"), None);
}

#[test]
fn neither_an_error_nor_debug_output_shows_a_line() {
    let broken = read(None, Some("[a]\naws_secret_access_key : sentinel\n")).unwrap_err();
    assert_eq!(broken.to_string(), "file: line 2: expected '=' behind the property's name");
    let found = read(None, Some("[a]\naws_secret_access_key = sentinel\n")).unwrap();
    assert!(!format!("{found:?} {broken:?}").contains("sentinel"));
}
