//! The documents, held against what they speak of.

use std::fs;
use std::path::Path;

use pin53::config::{self, Overrides};
use pin53::env::Env;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The fenced blocks of a Markdown text in one language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = markdown.split(fence.as_str()).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_first_two_commands_of_the_readme_are_the_demo_and_the_tests() {
    let readme = text("README.md");
    let commands = blocks(&readme, "sh");
    assert_eq!(commands[0].trim(), "cargo run --release -- demo");
    assert_eq!(commands[1].trim(), "cargo test");
    assert!(text(".ci/run").contains("cargo test"), "CI runs the test command that the README names");
}

#[test]
fn the_configuration_of_the_readme_is_one() {
    let readme = text("README.md");
    let settings = |block: &String| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), block).unwrap();
        let overrides = Overrides { config: Some(file.path().to_owned()), ..Overrides::default() };
        config::load(&overrides, &Env::default()).unwrap()
    };
    let blocks = blocks(&readme, "toml");
    assert_eq!(settings(&blocks[0]).rules.len(), 3);
    assert_eq!(settings(&blocks[1]).notify.len(), 1);
}

#[test]
fn the_policy_permits_what_is_called_and_nothing_else() {
    let policy: serde_json::Value = serde_json::from_str(&text("deploy/iam/policy.json")).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let mut actions: Vec<&str> = statements.iter().map(|s| s["Action"].as_str().unwrap()).collect();
    actions.sort_unstable();
    let called = ["ChangeResourceRecordSets", "GetChange", "ListHostedZonesByName", "ListResourceRecordSets"];
    assert_eq!(actions, called.map(|action| format!("route53:{action}")));
    let change = statements.iter().find(|s| s["Action"] == "route53:ChangeResourceRecordSets").unwrap();
    let only = &change["Condition"]["ForAllValues:StringEquals"];
    assert_eq!(only["route53:ChangeResourceRecordSetsActions"], serde_json::json!(["CREATE", "DELETE"]));
}

#[test]
fn the_debian_package_has_the_version_of_the_program() {
    let newest = text("deploy/debian/changelog").lines().next().unwrap().to_owned();
    assert!(newest.starts_with(&format!("pin53 ({}-", env!("CARGO_PKG_VERSION"))), "{newest}");
}

#[test]
fn the_units_let_every_source_be_read() {
    for unit in ["pin53.service", "pin53-once.service"] {
        let unit = text(&format!("deploy/systemd/{unit}"));
        let families = unit.lines().find_map(|line| line.strip_prefix("RestrictAddressFamilies=")).unwrap();
        // Metadata, servers, and the addresses of interfaces; systemd itself is reached over the last.
        for family in ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"] {
            assert!(families.split(' ').any(|allowed| allowed == family), "{family}");
        }
    }
}
