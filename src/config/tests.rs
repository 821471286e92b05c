//! What the layers give together, and what is said when they can't.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::desired::ZoneChoice;
use crate::dns::{Failover, Name, Policy, RecordType, ZoneId};
use crate::source::Source;

/// A folder with a configuration file in it.
struct Etc(tempfile::TempDir);

impl Etc {
    fn with(text: impl AsRef<[u8]>) -> Self {
        let etc = Self(tempfile::tempdir().unwrap());
        fs::write(etc.file(), text).unwrap();
        etc
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("pin53.toml")
    }

    fn load(&self, overrides: &Overrides, env: &Env) -> Result<Settings, String> {
        let loaded = load_or(&self.file(), overrides, env);
        loaded.map_err(|faults| faults.to_string().replace(&*self.0.path().to_string_lossy(), "/etc/pin53"))
    }

    fn faults(&self, env: &Env) -> String {
        self.load(&Overrides::default(), env).unwrap_err()
    }
}

fn file(text: &str) -> Result<Settings, String> {
    Etc::with(text).load(&Overrides::default(), &Env::default())
}

/// Without any file.
fn bare(overrides: &Overrides, env: &Env) -> Result<Settings, Faults> {
    load_or(Path::new("/nowhere/pin53.toml"), overrides, env)
}

fn env<const N: usize>(variables: [(&str, &str); N]) -> Env {
    variables.into_iter().collect()
}

fn named(name: &str) -> Overrides {
    Overrides { name: vec![name.to_owned()], ..Overrides::default() }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

const RECORD: &str = "[[record]]\nname = 'vpn.example.com'\n";

#[test]
fn a_name_alone_is_enough() {
    let settings = bare(&named("VPN.example.com."), &Env::default()).unwrap();
    insta::assert_debug_snapshot!(settings, @"
    Settings {
        rules: [
            Rule {
                name: Plain(
                    Name(vpn.example.com),
                ),
                rtype: Cname,
                sources: [
                    Imds,
                ],
                agree: 1,
                ttl: Ttl(
                    60,
                ),
                zone: Longest,
                private: false,
                allow_private: false,
                terms: Terms {
                    on_conflict: Refuse,
                    owner: None,
                },
                member: None,
                leaving: Leaving {
                    on_stop: Keep,
                    on_terminate: Keep,
                    on_rebalance: Keep,
                },
            },
        ],
        interval: 300s,
        watch: 5s,
        wait: For(
            120s,
        ),
        aws: Aws {
            signing: Auto,
            profile: None,
            assume_role: None,
        },
        audit: Settings {
            via: Auto,
            name_servers: [],
        },
        state_dir: None,
        notify: [],
        listen: None,
        log: Log {
            format: Text,
            filter: Targets(
                DirectiveSet {
                    directives: [
                        StaticDirective {
                            target: None,
                            field_names: [],
                            level: LevelFilter::INFO,
                        },
                    ],
                    max_level: LevelFilter::INFO,
                },
            ),
        },
    }
    ");
}

#[test]
fn every_key_of_the_file_is_read() {
    let settings = file(
        "interval = '1m30s'\nwatch = '1s'\nwait = 'off'\nstate = '/srv/pin53'\nlisten = 'localhost:9353'\n\
         [aws]\nsigning = 'sigv4'\n\
         [[record]]\nname = '*.example.com'\ntype = 'aaaa'\nsource = ['imds:ipv6', 'imds']\nttl = 30\n\
         zone = 'Example.com.'\nprivate = true\nallow_private = true\n\
         [[record]]\nname = '\\052.example.org'\nzone = 'Z1PA6795UKMFR9'\n",
    )
    .unwrap();
    assert_eq!(settings.interval, Duration::from_secs(90));
    assert_eq!(settings.watch, Duration::from_secs(1));
    assert_eq!(settings.wait, Wait::Off);
    assert_eq!(settings.state_dir, Some(PathBuf::from("/srv/pin53")));
    assert_eq!(settings.listen, Some("127.0.0.1:9353".parse().unwrap()));
    assert_eq!(settings.aws.signing, Signing::SigV4);
    let [wildcard, other] = settings.rules.as_slice() else { panic!("expected two rules") };
    assert_eq!(wildcard.name, name("*.example.com").into());
    assert_eq!(wildcard.rtype, RecordType::Aaaa);
    assert_eq!(wildcard.sources, [Source::ImdsPath("ipv6".to_owned()), Source::Imds]);
    assert_eq!(wildcard.ttl.seconds(), 30);
    assert_eq!(wildcard.zone, ZoneChoice::Named(name("example.com")));
    assert!(wildcard.private);
    assert!(wildcard.allow_private);
    assert_eq!(other.name, name("*.example.org").into());
    assert_eq!(other.zone, ZoneChoice::Id(ZoneId::parse("Z1PA6795UKMFR9").unwrap()));
}

#[test]
fn a_zone_is_an_id_where_no_name_would_be_written_like_it() {
    let choice = |zone: &str| {
        let text = format!("[[record]]\nname = 'a.internal'\nzone = '{zone}'\n");
        file(&text).unwrap().rules.swap_remove(0).zone
    };
    for id in
        ["Z1PA6795UKMFR9", "ZPMPSYMCLQOP", "/hostedzone/Z1PA6795UKMFR9", "SV4M3HML8CMGS1K1DT47HH", "1S8Q"]
    {
        let bare = id.rsplit('/').next().unwrap();
        assert_eq!(choice(id), ZoneChoice::Id(ZoneId::parse(bare).unwrap()), "{id}");
    }
    for zone in ["internal", "INTERNAL", "a.internal."] {
        assert_eq!(choice(zone), ZoneChoice::Named(name(zone)), "{zone}");
    }
}

#[test]
fn an_option_stands_over_the_environment_and_that_over_the_file() {
    let etc =
        Etc::with(format!("interval = '1m'\nwatch = '2s'\nwait = '3s'\n[aws]\nsigning = 'sigv4'\n{RECORD}"));
    let overrides = Overrides { interval: Some("1h".to_owned()), ..Overrides::default() };
    let env = env([
        ("PIN53_INTERVAL", "10m"),
        ("PIN53_WATCH", "20s"),
        ("PIN53_AWS__SIGNING", "aws3-https"),
        ("PIN53_WAIT", " "),
    ]);
    let settings = etc.load(&overrides, &env).unwrap();
    assert_eq!(settings.interval, Duration::from_secs(3600));
    assert_eq!(settings.watch, Duration::from_secs(20));
    assert_eq!(settings.wait, Wait::For(Duration::from_secs(3)));
    assert_eq!(settings.aws.signing, Signing::Aws3Https);
    assert_eq!(settings.rules.len(), 1);
}

#[test]
fn a_layer_above_hides_a_value_that_can_not_be() {
    let etc = Etc::with(format!("interval = 'often'\n{RECORD}"));
    assert!(etc.load(&Overrides::default(), &env([("PIN53_INTERVAL", "10m")])).is_ok());
}

#[test]
fn every_setting_of_the_file_has_a_variable() {
    for key in SETTINGS {
        let (variable, value) = match key.path {
            "interval" | "watch" | "wait" => (key.variable(), "7s"),
            "state" => (key.variable(), "/srv"),
            "aws.signing" => (key.variable(), "sigv4"),
            "aws.profile" | "aws.assume_role.external_id" | "aws.assume_role.session_name" => {
                (key.variable(), "some")
            }
            "aws.assume_role.arn" => (key.variable(), "arn:aws:iam::123456789012:role/other"),
            "audit.via" => (key.variable(), "api"),
            "audit.name_servers" => (key.variable(), "192.0.2.53:5353, ::1"),
            "log" => (key.variable(), "debug"),
            "log_format" => (key.variable(), "json"),
            "listen" => (key.variable(), "[::1]:0"),
            other => panic!("no value for {other}"),
        };
        // What goes with a role can't be without one.
        let role = ("PIN53_AWS__ASSUME_ROLE__ARN", "arn:aws:iam::123456789012:role/some");
        let plain = bare(&named("a.example.com"), &env([role])).unwrap();
        let set = bare(&named("a.example.com"), &env([role, (&variable, value)])).unwrap();
        assert_ne!(plain, set, "{variable} changes nothing");
    }
}

#[test]
fn name_servers_are_addresses_with_or_without_a_port() {
    let servers = |text: &str| file(&format!("[audit]\nname_servers = {text}\n{RECORD}"));
    let read = servers("['192.0.2.53:5353', '192.0.2.53', '[2001:db8::53]:53', '2001:db8::53']").unwrap();
    let shown: Vec<_> = read.audit.name_servers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["192.0.2.53:5353", "192.0.2.53:53", "[2001:db8::53]:53", "[2001:db8::53]:53"]);
    assert_eq!(servers("'192.0.2.53,::1'").unwrap().audit.name_servers.len(), 2);
    for wrong in ["['ns.example.com']", "''", "[53]", "'192.0.2.53:'"] {
        let faults = servers(wrong).unwrap_err();
        assert!(faults.contains("audit.name_servers: expected a name server's address"), "{faults}");
    }
    let faults = file(&format!("[audit]\nvia = 'dns'\nname_server = 1\n{RECORD}")).unwrap_err();
    assert!(faults.contains("audit.via: expected auto or api, found 'dns'"), "{faults}");
    assert!(faults.contains("the nearest is 'name_servers'") || faults.contains("nearest"), "{faults}");
}

#[test]
fn every_setting_of_a_record_has_a_variable() {
    let values = [
        ("TYPE", "A"),
        ("SOURCE", "imds:local-ipv4"),
        ("TTL", "5"),
        ("ZONE", "example.com"),
        ("PRIVATE", "true"),
        ("ALLOW_PRIVATE", "true"),
        ("ON_CONFLICT", "replace"),
        ("OWNER", "me"),
        ("ON_STOP", "withdraw"),
        ("ON_TERMINATE", "withdraw"),
        ("ON_REBALANCE", "withdraw"),
    ];
    // The name, what wants more than one source, and what makes a member only together.
    let routing = keys::RECORD.iter().filter(|key| key.path.starts_with("routing."));
    assert_eq!(values.len() + 2 + routing.count(), keys::RECORD.len());
    let plain = bare(&named("a.example.com"), &Env::default()).unwrap();
    for (key, value) in values {
        let set = bare(&named("a.example.com"), &env([(&format!("PIN53_RECORD__{key}"), value)])).unwrap();
        assert_ne!(plain, set, "PIN53_RECORD__{key} changes nothing");
    }
    let both = bare(&named("a.example.com"), &env([("PIN53_RECORD__AGREE", "2")])).unwrap_err();
    insta::assert_snapshot!(both, @"PIN53_RECORD__AGREE: expected at most the number of different sources, 1, found 2");
}

#[test]
fn a_member_of_a_routed_set_has_an_identifier_and_one_policy() {
    let record = |text: &str| file(&format!("[[record]]\nname = 'a.example.com'\n{text}"));
    let member = |text: &str| record(text).unwrap().rules.swap_remove(0).member.unwrap();
    let multivalue = member(
        "type = 'A'\nrouting = { set_identifier = '{{ instance_id }}', multivalue = true, health_check_id = 'abc-1' }",
    );
    assert_eq!(multivalue.policy, Policy::Multivalue);
    assert_eq!(multivalue.set_identifier.to_string(), "{{ instance_id }}");
    assert_eq!(multivalue.health_check_id.as_deref(), Some("abc-1"));
    assert_eq!(member("routing = { set_identifier = 'a', weight = 0 }").policy, Policy::Weighted(0));
    assert_eq!(
        member("routing = { set_identifier = 'a', region = 'eu-west-1' }").policy,
        Policy::Latency { region: "eu-west-1".to_owned() }
    );
    assert_eq!(
        member("[record.routing]\nset_identifier = 'a'\nfailover = 'primary'").policy,
        Policy::Failover(Failover::Primary)
    );
    assert_eq!(
        member("routing = { set_identifier = 'a', geo = { country = 'us', subdivision = 'ca' } }").policy,
        Policy::Geolocation { continent: None, country: Some("US".into()), subdivision: Some("CA".into()) }
    );
    let given = env([("PIN53_RECORD__ROUTING__SET_IDENTIFIER", "a"), ("PIN53_RECORD__ROUTING__WEIGHT", "7")]);
    let rule = bare(&named("a.example.com"), &given).unwrap().rules.swap_remove(0);
    assert_eq!(rule.member.unwrap().policy, Policy::Weighted(7));

    let faults = [
        "routing = { set_identifier = 'a' }",
        "routing = { set_identifier = 'a', weight = 1, region = 'eu-west-1' }",
        "routing = { multivalue = true }\ntype = 'A'",
        "routing = { multivalue = true, set_identifier = 'a' }",
        "routing = { set_identifier = '{{ instance }}', weight = 1 }",
        "routing = { set_identifier = '', weight = 1 }",
        "routing = { set_identifier = 'a', weight = 256 }",
        "routing = { set_identifier = 'a', region = 'Ireland' }",
        "routing = { set_identifier = 'a', failover = 'first' }",
        "routing = { set_identifier = 'a', geo = { country = 'US', continent = 'NA' } }",
        "routing = { set_identifier = 'a', geo = { country = 'DE', subdivision = 'BY' } }",
        "routing = { set_identifer = 'a', weight = 1 }",
        "routing = 'multivalue'",
        "owner = 'a=b'",
        "on_conflict = 'overwrite'",
        "on_stop = true",
    ]
    .map(|text| record(text).unwrap_err().replace("/etc/pin53/pin53.toml: record[0].", ""));
    insta::assert_snapshot!(faults.join("\n"), @r#"
    routing: expected exactly one of multivalue = true, weight, region, failover and geo, found none
    routing: expected exactly one of multivalue = true, weight, region, failover and geo, found weight and region
    routing.set_identifier: expected a text that tells this member from the others, like '{{ instance_id }}', found nothing
    routing.multivalue: expected a record of type A or AAAA, found a CNAME, of which a name answers with one only
    routing.set_identifier: expected instance_id, region, availability_zone, hostname or tags.KEY in braces, found 'instance'; the nearest is 'instance_id'
    routing.set_identifier: expected a set identifier of 1 to 128 characters, found ''
    routing.weight: expected a weight of 0 to 255, found 256
    routing.region: expected a region like eu-west-1, found 'Ireland'
    routing.failover: expected primary or secondary, found 'first'
    routing.geo: expected a continent or a country, found both
    routing.geo.subdivision: expected a subdivision of country US or UA, found one of another place
    routing.set_identifer: expected a setting of pin53's, found 'set_identifer'; the nearest is 'set_identifier'
    routing.set_identifier: expected a text that tells this member from the others, like '{{ instance_id }}', found nothing
    routing: expected a table (routing = { ... }), found 'multivalue'
    owner: expected an owner of 1 to 200 letters, digits and signs other than white space, '"', '\', ',' and '=', found 'a=b'
    on_conflict: expected refuse or replace, found 'overwrite'
    on_stop: expected keep or withdraw, found true
    "#);
}

#[test]
fn an_owner_of_a_zones_own_name_has_no_place_for_its_marker() {
    let at = |name: &str, more: &str| {
        let text = format!("[[record]]\nname = '{name}'\ntype = 'A'\nowner = 'me'\nzone = '{more}'\n");
        file(&text).map(|_| ()).map_err(|fault| fault.replace("/etc/pin53/pin53.toml: record[0].", ""))
    };
    insta::assert_snapshot!(at("example.com", "Example.com.").unwrap_err(), @"owner: expected no owner for the zone's own name: the marker would stand at a-example.com, outside the zone example.com; leave owner out of this record");
    assert_eq!(at("example.com", "Z1PA6795UKMFR9"), Ok(()), "of which the name isn't known here");
    assert_eq!(at("vpn.example.com", "example.com"), Ok(()));
}

#[test]
fn records_that_cannot_stand_beside_each_other_are_faults() {
    let two = |a: &str, b: &str| {
        file(&format!("[[record]]\nname = 'a.example.com'\n{a}\n[[record]]\nname = 'a.example.com'\n{b}\n"))
    };
    let member =
        |id: &str, policy: &str| format!("type = 'A'\nrouting = {{ set_identifier = '{id}', {policy} }}");
    assert!(two("type = 'A'", "type = 'AAAA'\non_conflict = 'replace'").is_ok());
    assert!(two(&member("a", "weight = 1"), &member("b", "weight = 2")).is_ok());
    let faults = [
        two("type = 'A'", "type = 'CNAME'\non_conflict = 'replace'"),
        two("type = 'A'", "type = 'A'"),
        two("type = 'A'", &member("a", "weight = 1")),
        two(&member("a", "weight = 1"), &member("b", "multivalue = true")),
        two(&member("a", "weight = 1"), &member("a", "weight = 2")),
    ]
    .map(|two| two.unwrap_err().replace("/etc/pin53/pin53.toml: record[1].", ""));
    insta::assert_snapshot!(faults.join("\n"), @"
    name: expected a CNAME alone at its name, found A beside CNAME at a.example.com, one to replace the other
    name: expected each name and type once, found a.example.com A again
    name: expected each name and type once, found a.example.com A again
    name: expected one policy for all members of a.example.com A, found two
    name: expected each member once, found a.example.com A (a) again
    ");
}

#[test]
fn sources_have_to_fit_the_type_and_be_enough_to_agree() {
    let record = |text: &str| file(&format!("[[record]]\nname = 'a.example.com'\n{text}"));
    let rule = record("type = 'A'\nsource = ['imds', 'dns:192.0.2.53/a.example', 'file:/a']\nagree = 2\n");
    let rule = rule.unwrap().rules.swap_remove(0);
    assert_eq!((rule.sources.len(), rule.agree), (3, 2));
    for (text, fault) in [
        ("agree = 0", "agree: expected a number of sources, at least 1, found 0"),
        ("agree = 'all'", "agree: expected a number of sources, at least 1, found 'all'"),
        (
            "source = ['imds', 'ecs']\nagree = 3",
            "agree: expected at most the number of different sources, 2, found 3",
        ),
        (
            "source = ['imds', 'imds']\nagree = 2",
            "agree: expected at most the number of different sources, 1, found 2",
        ),
        (
            "source = 'interface:eth0'",
            "source: expected a source of host names for a CNAME record, found 'interface:eth0'",
        ),
        (
            "source = ['imds', 'static:a.example']\ntype = 'A'",
            "source: static:a.example: expected an IPv4 address, found 'a.example'",
        ),
        (
            "source = 'dns:192.0.2.53/a.example/A'\ntype = 'AAAA'",
            "source: expected a question for AAAA or TXT, found 'dns:192.0.2.53/a.example/A'",
        ),
    ] {
        assert_eq!(record(text).unwrap_err(), format!("/etc/pin53/pin53.toml: record[0].{fault}"));
    }
}

#[test]
fn a_role_is_given_whole_or_its_faults_are_told() {
    let aws = file(&format!(
        "[aws]\nprofile = 'dns'\nassume_role = {{ arn = 'arn:aws-cn:iam::1:role/a/b', external_id = 'x:1' }}\n{RECORD}"
    ));
    let aws = aws.unwrap().aws;
    assert_eq!(aws.profile.as_deref(), Some("dns"));
    let role = aws.assume_role.unwrap();
    assert_eq!((role.arn.as_str(), role.external_id.as_deref()), ("arn:aws-cn:iam::1:role/a/b", Some("x:1")));
    let told = file(&format!(
        "[aws]\nprofile = 'a b'\nassume_role = {{ external_id = '?', session_name = 'x', role_arn = 'x' }}\n{RECORD}"
    ));
    insta::assert_snapshot!(told.unwrap_err(), @"
    /etc/pin53/pin53.toml: aws.assume_role.role_arn: expected a setting of pin53's, found 'role_arn'
    /etc/pin53/pin53.toml: aws.profile: expected the name of a profile in AWS's files, found 'a b'
    /etc/pin53/pin53.toml: aws.assume_role.external_id: expected an external id of 2 to 1224 letters, digits and _+=,.@:/-, found '?'
    /etc/pin53/pin53.toml: aws.assume_role.session_name: expected a session's name of 2 to 64 letters, digits and _+=,.@-, found 'x'
    /etc/pin53/pin53.toml: aws.assume_role.arn: expected a role's ARN like arn:aws:iam::123456789012:role/NAME beside the others, found nothing
    ");
    let told = file(&format!("[aws]\nassume_role = {{ arn = 'arn:aws:iam::1:user/x' }}\n{RECORD}"));
    insta::assert_snapshot!(
        told.unwrap_err(),
        @"/etc/pin53/pin53.toml: aws.assume_role.arn: expected a role's ARN like arn:aws:iam::123456789012:role/NAME, found 'arn:aws:iam::1:user/x'"
    );
}

#[test]
fn every_option_is_told_with_its_variable() {
    let definition = <Overrides as clap::Args>::augment_args(clap::Command::new("pin53"));
    let settings = SETTINGS.iter().filter_map(|key| Some((key.option_name()?, key.variable())));
    let records = keys::RECORD.iter().filter_map(|key| Some((key.option_name()?, key.variables().next()?)));
    let config = ("--config", keys::CONFIG_VARIABLE.to_owned());
    let mut known: Vec<_> = settings.chain(records).chain([config]).collect();
    for arg in definition.get_arguments() {
        let option = format!("--{}", arg.get_long().unwrap());
        let i = known.iter().position(|(known, _)| *known == option).expect(&option);
        let (_, variable) = known.swap_remove(i);
        let help = arg.get_help().unwrap().to_string();
        assert!(help.contains(&format!("[{variable}")), "{option}: {help}");
    }
    assert!(known.is_empty(), "{known:?}");
}

#[test]
fn names_on_the_command_line_set_the_records_of_the_file_aside() {
    let etc = Etc::with(format!("interval = '1m'\n{RECORD}"));
    let settings = etc.load(&named("other.example.com"), &Env::default()).unwrap();
    assert_eq!(settings.interval, Duration::from_secs(60));
    assert_eq!(
        settings.rules.iter().map(|rule| rule.name.to_string()).collect::<Vec<_>>(),
        ["other.example.com"]
    );
}

#[test]
fn names_in_the_environment_are_separated_by_commas_and_share_their_settings() {
    let env = env([("PIN53_NAME", "a.example.com, b.example.com,"), ("PIN53_TYPE", "A"), ("PIN53_TTL", "5")]);
    let rules = bare(&Overrides::default(), &env).unwrap().rules;
    assert_eq!(
        rules.iter().map(|rule| rule.name.to_string()).collect::<Vec<_>>(),
        ["a.example.com", "b.example.com"]
    );
    assert!(rules.iter().all(|rule| rule.rtype == RecordType::A && rule.ttl.seconds() == 5));
}

#[test]
fn names_of_options_replace_names_of_the_environment() {
    let rules = bare(&named("a.example.com"), &env([("PIN53_NAME", "b.example.com")])).unwrap().rules;
    assert_eq!(rules.iter().map(|rule| rule.name.to_string()).collect::<Vec<_>>(), ["a.example.com"]);
}

#[test]
fn sources_keep_the_order_in_which_they_were_given() {
    let sources = vec!["imds:local-hostname".to_owned(), "imds".to_owned()];
    let overrides = Overrides { source: sources, ..named("a.example.com") };
    let rules = bare(&overrides, &Env::default()).unwrap().rules;
    assert_eq!(rules[0].sources, [Source::ImdsPath("local-hostname".to_owned()), Source::Imds]);
}

#[test]
fn unknown_keys_are_told_with_their_place_and_the_nearest_one() {
    let etc = Etc::with(
        "intervall = '5m'\nlisten = '127.0.0.1:9353'\nsigning = 'auto'\n'record[999999999]' = 1\n\
         [aws]\nsinging = 'auto'\n[aws.deep]\nx = 1\n\
         [[record]]\nname = 'a.example.com'\n\
         [[record]]\nname = 'b.example.com'\ntll = 60\nwatch = '5s'\nfrobnicate = 1\n",
    );
    insta::assert_snapshot!(etc.faults(&Env::default()), @"
    /etc/pin53/pin53.toml: aws.deep: expected a setting of pin53's, found 'deep'
    /etc/pin53/pin53.toml: aws.singing: expected a setting of pin53's, found 'singing'; the nearest is 'signing'
    /etc/pin53/pin53.toml: intervall: expected a setting of pin53's, found 'intervall'; the nearest is 'interval'
    /etc/pin53/pin53.toml: record[1].frobnicate: expected a setting of pin53's, found 'frobnicate'
    /etc/pin53/pin53.toml: record[1].tll: expected a setting of pin53's, found 'tll'; the nearest is 'ttl'
    /etc/pin53/pin53.toml: record[1].watch: expected a setting of pin53's, found 'watch'; the nearest is 'watch', above the first section
    /etc/pin53/pin53.toml: record[999999999]: expected a setting of pin53's, found 'record[999999999]'
    /etc/pin53/pin53.toml: signing: expected a setting of pin53's, found 'signing'; the nearest is 'aws.signing'
    ");
}

#[test]
fn values_that_can_not_be_are_all_told_at_once() {
    let etc = Etc::with(
        "interval = 300\nwatch = '500ms'\nwait = '5'\nstate = ''\n[aws]\nsigning = 'sigv2'\n\
         [[record]]\nname = 'a..example.com'\ntype = 'MX'\nttl = '1m'\nprivate = 'perhaps'\n\
         [[record]]\nsource = []\nzone = 'not a zone'\nttl = -1\n\
         [[record]]\nname = '{{ instanceid }}.example.com'\nsource = ['imds', 'magic']\nttl = 1.5\n\
         [[record]]\nname = ['a.example.com', 'b.example.com']\nzone = { id = 'Z1' }\n\
         [[record]]\nname = 'a.example.com'\nzone = 'example.org'\n",
    );
    insta::assert_snapshot!(etc.faults(&Env::default()), @"
    /etc/pin53/pin53.toml: interval: expected a duration of 1s to 168h, like 5m, found 300
    /etc/pin53/pin53.toml: watch: expected a duration of 1s to 24h, like 5s, found '500ms'
    /etc/pin53/pin53.toml: wait: expected 'off' or a duration of up to 1h, like 2m, found '5'
    /etc/pin53/pin53.toml: state: expected a directory, found ''
    /etc/pin53/pin53.toml: aws.signing: expected auto, aws3-https or sigv4, found 'sigv2'
    /etc/pin53/pin53.toml: record[0].name: expected a domain name, found 'a..example.com', which has an empty label
    /etc/pin53/pin53.toml: record[0].type: expected a record type that pin53 publishes (CNAME, A, AAAA), found 'MX'
    /etc/pin53/pin53.toml: record[0].ttl: expected a TTL of 0 to 2147483647 seconds, found '1m'
    /etc/pin53/pin53.toml: record[0].private: expected true or false, found 'perhaps'
    /etc/pin53/pin53.toml: record[1].source: expected at least one, found none
    /etc/pin53/pin53.toml: record[1].ttl: expected a TTL of 0 to 2147483647 seconds, found '-1'
    /etc/pin53/pin53.toml: record[1].zone: expected a zone's id (Z1PA6795UKMFR9) or name, found 'not a zone'
    /etc/pin53/pin53.toml: record[1].name: expected a domain name, found nothing
    /etc/pin53/pin53.toml: record[2].name: expected instance_id, region, availability_zone, hostname or tags.KEY in braces, found 'instanceid'; the nearest is 'instance_id'
    /etc/pin53/pin53.toml: record[2].source: expected a source (imds, imds:PATH, ecs, interface:NAME, http:URL, dns:SERVER/NAME[/TYPE], command:PROGRAM, file:PATH, static:VALUE), found 'magic'
    /etc/pin53/pin53.toml: record[2].ttl: expected a TTL in seconds, found 1.5
    /etc/pin53/pin53.toml: record[3].name: expected a domain name, found a list
    /etc/pin53/pin53.toml: record[3].zone: expected a zone's id or name, found a table
    /etc/pin53/pin53.toml: record[4].zone: expected a zone that a.example.com lies in, found 'example.org'
    ");
}

#[test]
fn a_value_of_the_wrong_shape_is_no_panic() {
    insta::assert_snapshot!(file("aws = 3\nrecord = 'a'\nwatch = { a = 1 }").unwrap_err(), @"
    /etc/pin53/pin53.toml: aws: expected a table ([aws]), found 3
    /etc/pin53/pin53.toml: record: expected a list of tables ([[record]]), found 'a'
    /etc/pin53/pin53.toml: watch: expected a duration of 1s to 24h, like 5s, found a table
    ");
    insta::assert_snapshot!(file("record = ['a', []]\n").unwrap_err(), @"
    /etc/pin53/pin53.toml: record[0]: expected a list of tables ([[record]]), found 'a'
    /etc/pin53/pin53.toml: record[1]: expected a list of tables ([[record]]), found a list
    ");
    insta::assert_snapshot!(file("[record]\nname = 'a.example.com'\n").unwrap_err(), @"/etc/pin53/pin53.toml: record: expected a list of tables ([[record]]), found a table");
}

#[test]
fn the_environment_is_faulted_by_variable() {
    let env = env([
        ("PIN53_INTERVL", "5m"),
        ("PIN53_interval", "5m"),
        ("PIN53_WHATEVER", "x"),
        ("PIN53_AWS_SIGNING", "auto"),
        ("PIN53_WATCH", "soon"),
        ("PIN53_LOG", "debg"),
        ("PIN53_LOG_FORMAT", "xml"),
        ("PIN53_NAME", "a.example.com,b.example.com"),
        ("PIN53_TTL", "1m"),
        ("PIN53_RECORD__PRIVATE", "maybe"),
    ]);
    insta::assert_snapshot!(bare(&Overrides::default(), &env).unwrap_err(), @"
    PIN53_AWS_SIGNING: expected a setting of pin53's, found 'PIN53_AWS_SIGNING'; the nearest is 'PIN53_AWS__SIGNING'
    PIN53_INTERVL: expected a setting of pin53's, found 'PIN53_INTERVL'; the nearest is 'PIN53_INTERVAL'
    PIN53_WHATEVER: expected a setting of pin53's, found 'PIN53_WHATEVER'
    PIN53_interval: expected a setting of pin53's, found 'PIN53_interval'; the nearest is 'PIN53_INTERVAL'
    PIN53_WATCH: expected a duration of 1s to 24h, like 5s, found 'soon'
    PIN53_LOG: expected a tracing filter like 'debug' or 'info,pin53::aws=trace', found 'debg'
    PIN53_LOG_FORMAT: expected text or json, found 'xml'
    PIN53_TTL: expected a TTL of 0 to 2147483647 seconds, found '1m'
    PIN53_RECORD__PRIVATE: expected true or false, found 'maybe'
    ");
}

#[test]
fn options_are_faulted_by_their_spelling_and_are_usage() {
    let overrides = Overrides {
        rtype: Some("TXT".to_owned()),
        interval: Some("5 parsecs".to_owned()),
        log_format: Some("xml".to_owned()),
        source: vec!["imds".to_owned(), "magic".to_owned()],
        zone: Some(String::new()),
        ..named("https://example.com")
    };
    let faults = bare(&overrides, &Env::default()).unwrap_err();
    assert!(faults.are_usage());
    insta::assert_snapshot!(faults, @"
    --interval: expected a duration of 1s to 168h, like 5m, found '5 parsecs'
    --log-format: expected text or json, found 'xml'
    --name: expected a domain name, found 'https://example.com', in which ':' is not escaped
    --type: expected a record type that pin53 publishes (CNAME, A, AAAA), found 'TXT'
    --source: expected a source (imds, imds:PATH, ecs, interface:NAME, http:URL, dns:SERVER/NAME[/TYPE], command:PROGRAM, file:PATH, static:VALUE), found 'magic'
    --zone: expected a zone's id (Z1PA6795UKMFR9) or name, found ''
    ");
    let with_variable = bare(&overrides, &env([("PIN53_WATCH", "soon")])).unwrap_err();
    assert!(!with_variable.are_usage());
}

#[test]
fn settings_of_records_want_records_and_a_type_wants_a_name() {
    let overrides = Overrides { ttl: Some("5".to_owned()), ..Overrides::default() };
    let env = env([("PIN53_TYPE", "A"), ("PIN53_RECORD__PRIVATE", "true")]);
    insta::assert_snapshot!(Etc::with("").load(&overrides, &env).unwrap_err(), @"
    PIN53_TYPE: expected a name beside it (--name or PIN53_NAME), found none
    --ttl: expected a name beside it (--name or PIN53_NAME), found none
    PIN53_RECORD__PRIVATE: expected a name beside it (--name or PIN53_NAME), found none
    ");
    insta::assert_snapshot!(Etc::with(RECORD).load(&overrides, &env).unwrap_err(), @"PIN53_TYPE: expected a name beside it (--name or PIN53_NAME), found none");
}

#[test]
fn settings_without_names_stand_over_those_of_the_files_records() {
    let etc =
        Etc::with("[[record]]\nname = 'a.example.com'\nttl = 100\n[[record]]\nname = 'b.example.com'\n");
    let overrides = Overrides { ttl: Some("30".to_owned()), ..Overrides::default() };
    let env = env([
        ("PIN53_TTL", "40"),
        ("PIN53_RECORD__ALLOW_PRIVATE", "true"),
        ("PIN53_SOURCE", "imds:local-ipv4"),
    ]);
    let settings = etc.load(&overrides, &env).unwrap();
    assert_eq!(settings.rules.len(), 2);
    for rule in &settings.rules {
        assert_eq!((rule.ttl.seconds(), rule.allow_private), (30, true));
        assert_eq!(rule.sources, [Source::ImdsPath("local-ipv4".to_owned())]);
    }
    let by_variable = etc.load(&Overrides::default(), &env).unwrap();
    assert!(by_variable.rules.iter().all(|rule| rule.ttl.seconds() == 40));
}

#[test]
fn a_name_and_type_may_be_given_once() {
    let twice = "[[record]]\nname = 'a.example.com'\n[[record]]\nname = 'A.example.com.'\ntype = 'cname'\n";
    insta::assert_snapshot!(file(twice).unwrap_err(), @"/etc/pin53/pin53.toml: record[1].name: expected each name and type once, found a.example.com CNAME again");
    let two_types = twice.replace("cname", "aaaa");
    assert_eq!(file(&two_types).unwrap().rules.len(), 2);
}

#[test]
fn a_name_may_hold_words_of_the_metadata() {
    let named = |name: &str, zone: &str| {
        file(&format!("[[record]]\nname = '{name}'\nzone = '{zone}'\n"))
            .map(|mut settings| settings.rules.swap_remove(0).name.to_string())
    };
    let shown = "{{ tags.Role }}-{{ region }}.example.com";
    assert_eq!(named("{{tags.Role}}-{{region}}.example.com", "example.com").as_deref(), Ok(shown));
    assert!(named("a.{{ tags.Stage }}.example.com", "prod.example.com").is_ok(), "perhaps it lies within");
    assert!(named("a.{{ tags.Stage }}.example.com", "example.org").is_err());
    insta::assert_snapshot!(named("{{ tag.Role }}.example.com", "Z1PA6795UKMFR9").unwrap_err(), @"/etc/pin53/pin53.toml: record[0].name: expected instance_id, region, availability_zone, hostname or tags.KEY in braces, found 'tag.Role'; the nearest is 'tags.Role'");
    insta::assert_snapshot!(named("{{ region }} .example.com", "Z1PA6795UKMFR9").unwrap_err(), @"/etc/pin53/pin53.toml: record[0].name: expected a domain name, found 'x .example.com', in which ' ' is not escaped ('x' for what the metadata says)");
    let twice =
        "[[record]]\nname = '{{region}}.example.com'\n[[record]]\nname = '{{ region }}.example.com'\n";
    assert!(
        file(twice)
            .unwrap_err()
            .contains("each name and type once, found {{ region }}.example.com CNAME again")
    );
}

#[test]
fn nothing_to_pin_is_a_fault_and_not_one_of_usage() {
    let faults = bare(&Overrides::default(), &Env::default()).unwrap_err();
    assert!(!faults.are_usage());
    insta::assert_snapshot!(faults, @"expected a name to pin, found none");
    assert!(file("interval = '5m'\n").is_err());
    assert!(file("record = []\n").is_err());
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    let overrides = Overrides { config: Some("/nowhere/a.toml".into()), ..named("a.example.com") };
    let faults = bare(&overrides, &Env::default()).unwrap_err();
    assert!(!faults.are_usage());
    insta::assert_snapshot!(faults, @"--config: expected a file, found: nothing at /nowhere/a.toml");
    let env = env([("PIN53_CONFIG", "/nowhere/b.toml")]);
    insta::assert_snapshot!(bare(&named("a.example.com"), &env).unwrap_err(), @"PIN53_CONFIG: expected a file, found: nothing at /nowhere/b.toml");
}

#[test]
fn the_file_that_is_named_is_read_in_place_of_the_default() {
    let etc = Etc::with(RECORD);
    let by_variable = env([("PIN53_CONFIG", &*etc.file().to_string_lossy())]);
    assert_eq!(bare(&Overrides::default(), &by_variable).unwrap().rules.len(), 1);
    let by_option = Overrides { config: Some(etc.file()), ..Overrides::default() };
    let elsewhere = env([("PIN53_CONFIG", "/nowhere/b.toml")]);
    assert_eq!(bare(&by_option, &elsewhere).unwrap().rules.len(), 1);
}

#[test]
fn a_default_file_that_is_there_but_can_not_be_read_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let faults = load_or(folder.path(), &named("a.example.com"), &Env::default()).unwrap_err();
    assert!(faults.to_string().contains("expected a readable file, found: "), "{faults}");
    insta::assert_snapshot!(Etc::with(b"name = '\xff'").faults(&Env::default()), @"/etc/pin53/pin53.toml: expected UTF-8, found: invalid utf-8 sequence of 1 bytes from index 8");
}

#[test]
fn broken_toml_is_told_in_one_line_with_its_place() {
    insta::assert_snapshot!(file("interval = '5m'\nwatch = \n").unwrap_err(), @"/etc/pin53/pin53.toml: expected TOML, found: line 2, column 9: string values must be quoted, expected literal string");
    insta::assert_snapshot!(file("wait = 1\nwait = 2\n").unwrap_err(), @"/etc/pin53/pin53.toml: expected TOML, found: line 2, column 1: duplicate key");
    insta::assert_snapshot!(file("[[record]]\nttl = 99999999999999999999\n").unwrap_err(), @"/etc/pin53/pin53.toml: expected TOML, found: number too large to fit in target type");
}

#[test]
fn all_of_broken_toml_is_told_at_once_with_the_unknown_among_its_keys() {
    let text =
        "intervl = '5m'\nwatch = 5s\n\n[[record]]\nname = vpn.example.com\ntll = 5\nprivate = ture\n[aws\n";
    insta::assert_snapshot!(file(text).unwrap_err(), @"
    /etc/pin53/pin53.toml: expected TOML, found: line 2, column 9: string values must be quoted, expected literal string
    /etc/pin53/pin53.toml: expected TOML, found: line 5, column 8: string values must be quoted, expected literal string
    /etc/pin53/pin53.toml: expected TOML, found: line 7, column 11: invalid boolean, expected `true`
    /etc/pin53/pin53.toml: expected TOML, found: line 8, column 5: unclosed table, expected `]`
    /etc/pin53/pin53.toml: intervl: expected a setting of pin53's, found 'intervl'; the nearest is 'interval'
    /etc/pin53/pin53.toml: record[0].tll: expected a setting of pin53's, found 'tll'; the nearest is 'ttl'
    ");
}

fn checked(text: &str, env: &Env) -> String {
    let etc = Etc::with(text);
    let checked = check::check_or(&etc.file(), None, env);
    let faults = checked.faults.to_string().replace(&*etc.0.path().to_string_lossy(), "/etc/pin53");
    format!("{}\n{faults}", checked.records)
}

#[test]
fn a_check_tells_all_that_is_wrong_with_the_file_and_nothing_that_is_laid_over_it() {
    let env = env([("PIN53_INTERVAL", "never"), ("PIN53_NAME", "other.example.com"), ("PIN53_WACH", "5s")]);
    insta::assert_snapshot!(checked("[[record]]\nname = 'vpn.example.com'\nttl = 30\n", &Env::default()), @"1");
    let text = "intervl = '5m'\nwatch = 'often'\n[aws]\nsignin = 'auto'\n[[record]]\nname = 'a..b'\ntype = 'MX'\n\
                [[record]]\ntll = 5\n";
    insta::assert_snapshot!(checked(text, &env), @"
    0
    PIN53_WACH: expected a setting of pin53's, found 'PIN53_WACH'; the nearest is 'PIN53_WATCH'
    /etc/pin53/pin53.toml: aws.signin: expected a setting of pin53's, found 'signin'; the nearest is 'signing'
    /etc/pin53/pin53.toml: intervl: expected a setting of pin53's, found 'intervl'; the nearest is 'interval'
    /etc/pin53/pin53.toml: record[1].tll: expected a setting of pin53's, found 'tll'; the nearest is 'ttl'
    /etc/pin53/pin53.toml: watch: expected a duration of 1s to 24h, like 5s, found 'often'
    /etc/pin53/pin53.toml: record[0].name: expected a domain name, found 'a..b', which has an empty label
    /etc/pin53/pin53.toml: record[0].type: expected a record type that pin53 publishes (CNAME, A, AAAA), found 'MX'
    /etc/pin53/pin53.toml: record[1].name: expected a domain name, found nothing
    ");
}

#[test]
fn a_check_wants_a_file_with_something_to_pin() {
    insta::assert_snapshot!(checked("interval = '5m'\n", &Env::default()), @"
    0
    /etc/pin53/pin53.toml: record: expected a name to pin, found none
    ");
    insta::assert_snapshot!(checked("record = []\nwach = '5m'\n", &Env::default()), @"
    0
    /etc/pin53/pin53.toml: wach: expected a setting of pin53's, found 'wach'; the nearest is 'watch'
    /etc/pin53/pin53.toml: record: expected a name to pin, found none
    ");
    // Only what lies at the bottom of it is told.
    insta::assert_snapshot!(checked("[[recrod]]\nname = 'a.example.com'\n", &Env::default()), @"
    0
    /etc/pin53/pin53.toml: recrod: expected a setting of pin53's, found 'recrod'; the nearest is 'record'
    ");
    insta::assert_snapshot!(checked("record = 5\n", &Env::default()), @"
    0
    /etc/pin53/pin53.toml: record: expected a list of tables ([[record]]), found 5
    ");
    let nowhere = check::check_or(Path::new("/nowhere/pin53.toml"), None, &Env::default());
    insta::assert_snapshot!(nowhere.faults, @"/nowhere/pin53.toml: expected a file, found: none");
    let named =
        check::check_or(Path::new("/etc/pin53.toml"), Some(Path::new("/nowhere/a.toml")), &Env::default());
    insta::assert_snapshot!(named.faults, @"--config: expected a file, found: nothing at /nowhere/a.toml");
}

#[test]
fn what_was_found_stays_in_its_line() {
    insta::assert_snapshot!(file("interval = \"a\\nb\\u001b[1m\"\n[[record]]\nname='a.b'").unwrap_err(), @r"/etc/pin53/pin53.toml: interval: expected a duration of 1s to 168h, like 5m, found 'a\nb\u{1b}[1m'");
}

#[test]
fn state_goes_where_the_first_that_says_so_wants_it() {
    let directory = |variables: &[(&str, &str)]| {
        let env = variables.iter().copied().collect();
        bare(&named("a.example.com"), &env).unwrap().state_dir.map(|path| path.to_string_lossy().into_owned())
    };
    let all =
        [("PIN53_STATE", "/a"), ("STATE_DIRECTORY", "/b:/c"), ("XDG_STATE_HOME", "/d"), ("HOME", "/home/e")];
    assert_eq!(directory(&all).as_deref(), Some("/a"));
    assert_eq!(directory(&all[1..]).as_deref(), Some("/b"));
    assert_eq!(directory(&all[2..]).as_deref(), Some("/d/pin53"));
    assert_eq!(directory(&all[3..]).as_deref(), Some("/home/e/.local/state/pin53"));
    assert_eq!(directory(&[("XDG_STATE_HOME", "relative"), ("HOME", "")]), None);
}

#[test]
fn a_filter_may_be_a_level_or_levels_by_module() {
    let log = |filter: &str| log(&env([("PIN53_LOG", filter)]), LevelFilter::WARN);
    assert_eq!(log("").unwrap().filter.default_level(), Some(LevelFilter::WARN));
    assert_eq!(log("debug").unwrap().filter.default_level(), Some(LevelFilter::DEBUG));
    let by_module = log("pin53::aws=trace").unwrap().filter;
    assert_eq!(by_module.default_level(), Some(LevelFilter::INFO));
    assert!(by_module.would_enable("pin53::aws::route53", &tracing::Level::TRACE));
    assert!(!by_module.would_enable("pin53::plan", &tracing::Level::DEBUG));
    assert!(log("pin53").is_err());
    assert!(log("info,pin53=loud").is_err());
}

#[test]
fn the_example_file_is_read_as_it_is() {
    let settings = file(include_str!("../../deploy/config.example.toml")).unwrap();
    assert_eq!(settings, Settings { rules: settings.rules.clone(), ..Settings::default() });
    assert_eq!(settings.rules.len(), 1);
}

/// In the example a setting that is commented out follows its hash at once, prose after a space.
#[test]
fn the_example_file_holds_every_key_with_its_default() {
    let example = include_str!("../../deploy/config.example.toml");
    let uncommented: String = example
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#'])).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let plain = file(example).unwrap();
    let full = file(&uncommented).unwrap();
    let aws = Aws { profile: None, assume_role: None, ..full.aws.clone() };
    let placeless = Settings { state_dir: None, listen: None, rules: Vec::new(), aws, ..full.clone() };
    assert_eq!(placeless, Settings { rules: Vec::new(), ..plain.clone() });
    assert_eq!(full.aws.profile.as_deref(), Some("default"));
    assert_eq!(full.aws.assume_role.unwrap().session_name.as_deref(), Some("pin53"));
    assert_eq!(full.state_dir, Some(PathBuf::from("/var/lib/pin53")));
    assert_eq!(full.listen, Some("127.0.0.1:9353".parse().unwrap()));
    let [rule] = plain.rules.as_slice() else { panic!("expected one rule") };
    let zone = ZoneChoice::Named(name("example.com"));
    assert_eq!(full.rules, [Rule { zone, ..rule.clone() }]);
    let mentions = |path: &str| {
        let key = path.rsplit('.').next().unwrap();
        let mentioned = |line: &str| {
            let before = line.split(" =").filter_map(|part| part.split_whitespace().next_back());
            before.into_iter().any(|word| word == key)
        };
        assert!(uncommented.lines().any(mentioned), "no {key}");
    };
    for key in SETTINGS {
        mentions(key.path);
    }
    for key in keys::RECORD {
        mentions(key.path);
    }
    for key in keys::NOTIFY {
        mentions(key.path);
    }
}

const HOOK: &str = "webhook = 'https://hooks.example/sentinel'\n";

/// The notifications of a file with one block of these lines.
fn notify(lines: &str) -> Result<Vec<crate::notify::Settings>, String> {
    file(&format!("{RECORD}[[notify]]\n{lines}")).map(|settings| settings.notify)
}

#[test]
fn every_setting_of_a_notification_is_read_and_has_a_variable() {
    let values = [
        ("ON", "failed,recovered", "on = ['failed', 'recovered']"),
        ("FAILED_FOR", "5m", "failed_for = '5m'"),
        ("PRESET", "ntfy", "preset = 'ntfy'"),
        ("TEMPLATE", "{{ name }}", "template = '{{ name }}'"),
        ("HEADERS", "X-Token: a", "headers = { X-Token = 'a' }"),
    ];
    let targets = [
        ("WEBHOOK", "https://hooks.example/a", "webhook = 'https://hooks.example/a'"),
        ("WEBHOOK_FILE", "hook", "webhook_file = 'hook'"),
        ("LAMBDA", "told", "lambda = 'told'"),
        ("SNS", "arn:aws:sns:eu-west-1:123456789012:told", "sns = 'arn:aws:sns:eu-west-1:123456789012:told'"),
        ("COMMAND", "told --now", "command = 'told --now'"),
    ];
    // The key, and the file with its secret.
    assert_eq!(values.len() + targets.len() + 2, keys::NOTIFY.len());
    let by_variables = |given: &[(String, &str)]| {
        let env: Env = given.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        bare(&named("a.example.com"), &env).unwrap().notify
    };
    let variable = |key: &str| format!("PIN53_NOTIFY__{key}");
    let hook = (variable("WEBHOOK"), "https://hooks.example/sentinel");
    let plain = notify(HOOK).unwrap();
    assert_eq!(by_variables(std::slice::from_ref(&hook)), plain);
    for (key, value, line) in values {
        let read = notify(&format!("{HOOK}{line}")).unwrap();
        assert_ne!(read, plain, "{line} changes nothing");
        assert_eq!(by_variables(&[hook.clone(), (variable(key), value)]), read, "{key}");
    }
    for (key, value, line) in targets {
        assert_eq!(by_variables(&[(variable(key), value)]), notify(line).unwrap(), "{key}");
    }
    let signed = notify(&format!("{HOOK}key = 'id'\nsecret_file = 'secret'")).unwrap();
    let by = [hook, (variable("KEY"), "id"), (variable("SECRET_FILE"), "secret")];
    assert_eq!(by_variables(&by), signed);
    assert_ne!(signed, plain);
}

#[test]
fn variables_of_notifications_make_one_or_stand_over_the_files() {
    let etc = Etc::with(format!("{RECORD}[[notify]]\n{HOOK}[[notify]]\ncommand = 'told'"));
    let load =
        |variables: [(&str, &str); 1]| etc.load(&Overrides::default(), &env(variables)).unwrap().notify;
    let failed = crate::notify::On { changed: false, failed: true, recovered: false };
    assert!(load([("PIN53_NOTIFY__ON", "failed")]).iter().all(|notify| notify.on == failed));
    assert_eq!(load([("PIN53_NOTIFY__LAMBDA", "told")]), notify("lambda = 'told'").unwrap());
    let faults = bare(&named("a.example.com"), &env([("PIN53_NOTIFY__ON", "failed")])).unwrap_err();
    insta::assert_snapshot!(faults, @"PIN53_NOTIFY__ON: expected one of PIN53_NOTIFY__WEBHOOK, PIN53_NOTIFY__WEBHOOK_FILE, PIN53_NOTIFY__LAMBDA, PIN53_NOTIFY__SNS, PIN53_NOTIFY__COMMAND beside it, found none");
}

#[test]
fn a_notification_that_can_not_be_is_told_by_its_key_and_quotes_no_secret() {
    for (lines, fault) in [
        (
            "on = ['changed']",
            "notify[0].webhook: expected exactly one of webhook, webhook_file, lambda, sns, command, found none",
        ),
        ("webhook = 'https://a/sentinel'\nlambda = 'told'", "notify[0].lambda: expected exactly one of"),
        ("webhook = 'sentinel'", "notify[0].webhook: expected an http or https URL"),
        (
            "webhook = 'https://me:sentinel@a/'",
            "notify[0].webhook: expected an http or https URL without a user",
        ),
        ("webhook = 'ftp://a/sentinel'", "notify[0].webhook: expected an http or https URL"),
        ("webhook = ['sentinel']", "notify[0].webhook: expected an http or https URL"),
        (
            "webhok = 'https://a/sentinel'",
            "notify[0].webhok: expected a setting of pin53's, found 'webhok'; the nearest is 'webhook'",
        ),
        (
            "webhook = 'https://a/sentinel'\non = ['changd']",
            "notify[0].on: expected some of changed, failed, recovered, found 'changd'; the nearest is 'changed'",
        ),
        ("webhook = 'https://a/sentinel'\non = 5", "notify[0].on: expected some of"),
        ("webhook = 'https://a/sentinel'\npreset = 'Slak'", "found 'Slak'; the nearest is 'slack'"),
        (
            "webhook = 'https://a/sentinel'\nfailed_for = '5'",
            "notify[0].failed_for: expected a duration of up to 168h",
        ),
        (
            "webhook = 'https://a/sentinel'\nheaders = { 'a b' = 'sentinel' }",
            "notify[0].headers: expected the name of a header",
        ),
        (
            "webhook = 'https://a/sentinel'\nheaders = { a = \"x\\nsentinel\" }",
            "notify[0].headers: expected a text on one line",
        ),
        (
            "webhook = 'https://a/sentinel'\nheaders = { Host = 'sentinel' }",
            "notify[0].headers: expected the name of a header that can be set",
        ),
        ("webhook = 'https://a/sentinel'\nheaders = 'sentinel'", "notify[0].headers: expected headers like"),
        ("webhook = 'https://a/sentinel'\nkey = 'id'", "notify[0].key: expected secret_file beside it"),
        (
            "webhook = 'https://a/sentinel'\nsecret_file = 'x'",
            "notify[0].secret_file: expected key beside it",
        ),
        ("lambda = 'told'\npreset = 'slack'", "notify[0].preset: expected a webhook beside it, found lambda"),
        ("lambda = 'a b'", "notify[0].lambda: expected a function's name or ARN, found 'a b'"),
        ("lambda = 'told'\ntemplate = '{{ message }}'", "notify[0].template: expected one of JSON"),
        ("sns = 'told'", "notify[0].sns: expected a topic's ARN"),
        ("command = \"told 'sentinel\"", "notify[0].command: expected a program with its arguments"),
        (
            "command = 'told'\ntemplate = '{{ nam }}'",
            "notify[0].template: expected a template that can be filled in, found one that can't: undefined",
        ),
        (
            "command = 'told'\ntemplate = '{{ name'",
            "notify[0].template: expected a template that can be filled in, found one that can't: syntax error",
        ),
        (
            "command = 'told'\ntemplate = '{\"a\": {{ name }}}'",
            "found one that can't: what begins like JSON has to come out as JSON",
        ),
    ] {
        let faults = notify(lines).unwrap_err();
        assert!(faults.contains(fault), "{lines}: {faults}");
        assert!(!faults.contains("sentinel"), "{faults}");
    }
    for whole in ["notify = 'https://a/sentinel'\n", "notify = ['https://a/sentinel']\n"] {
        let faults = file(&format!("{whole}{RECORD}")).unwrap_err();
        assert!(faults.contains("expected a list of tables ([[notify]])"), "{faults}");
        assert!(!faults.contains("sentinel"), "{faults}");
    }
    for broken in
        ["webhook = https://a/sentinel", "webhook = 'https://a/sentinel", "headers = { A = sentinel }"]
    {
        let faults = notify(broken).unwrap_err();
        assert!(faults.contains("expected TOML") && !faults.contains("sentinel"), "{faults}");
    }
    assert!(!format!("{:?}", notify(&format!("{HOOK}headers = {{ A = 'sentinel' }}"))).contains("sentinel"));
}

proptest! {
    #[test]
    fn no_file_is_too_strange_to_be_answered(text in "\\PC{0,40}|([a-z\\[\\]. ]{1,9}( = ([0-9]{1,3}|'[a-z]{0,4}'|\\[\\]|\\{\\}))?\n){0,6}") {
        let _ = file(&text);
    }

    #[test]
    fn no_value_of_a_variable_is_too_strange_to_be_answered(value in "\\PC{0,30}") {
        for variable in keys::variables().filter(|name| name != "PIN53_CONFIG") {
            let _ = bare(&named("a.example.com"), &env([(&variable, &value)]));
        }
    }
}

fn watched(text: &str, env: &Env) -> Watching {
    let etc = Etc::with(text);
    watching_or(&etc.file(), Path::new("/var/lib/pin53"), &Overrides::default(), env).unwrap()
}

#[test]
fn status_is_looked_for_where_the_service_keeps_it_and_then_where_a_user_does() {
    let places = |text: &str, env: &Env| {
        let dirs = watched(text, env).state_dirs;
        dirs.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
    };
    let home = [("HOME", "/home/me")];
    assert_eq!(places("", &env(home)), "/var/lib/pin53 /home/me/.local/state/pin53");
    assert_eq!(places("", &Env::default()), "/var/lib/pin53");
    let service = env([("HOME", "/home/me"), ("STATE_DIRECTORY", "/run/a:/run/b")]);
    assert_eq!(places("", &service), "/run/a");
    assert_eq!(places("state = '/srv/pin53'", &service), "/srv/pin53");
}

#[test]
fn status_judges_by_the_interval_that_was_in_force() {
    let minute = Duration::from_secs(60);
    let from_file = watched("interval = '1h'\n", &Env::default());
    assert_eq!(from_file.interval(60.0), minute, "the file may have been edited since");
    assert_eq!(from_file.interval(0.0), Duration::from_secs(3600));
    assert_eq!(watched("", &Env::default()).interval(0.0), Duration::from_secs(300));
    let given = watched("interval = '1h'\n", &env([("PIN53_INTERVAL", "1m")]));
    assert_eq!(given.interval(300.0), minute);
}

#[test]
fn status_needs_nothing_to_pin_and_is_looked_for_although_the_file_is_wrong() {
    let etc = Etc::with("interval = 'soon'\nintervl = '5m'\nlisten = '9353'\n[[record]]\nttl = 'x'\n");
    let look = |env| watching_or(&etc.file(), Path::new("/nowhere"), &Overrides::default(), &env);
    let watching = look(Env::default()).unwrap();
    assert_eq!((watching.state_dirs, watching.listen), (vec![PathBuf::from("/nowhere")], None));
    assert!(look(env([("PIN53_INTERVAL", "soon")])).is_err(), "a question that is wrong is not answered");
    let text = watching.faults.to_string().replace(&*etc.0.path().to_string_lossy(), "/etc/pin53");
    insta::assert_snapshot!(text, @"
    /etc/pin53/pin53.toml: intervl: expected a setting of pin53's, found 'intervl'; the nearest is 'interval'
    /etc/pin53/pin53.toml: interval: expected a duration of 1s to 168h, like 5m, found 'soon'
    /etc/pin53/pin53.toml: listen: expected an address and a port to listen on, like 127.0.0.1:9353 or [::1]:9353, found '9353'
    ");
}
