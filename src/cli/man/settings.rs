//! The page of the configuration file: each of its settings with what it means, its default and an example.
//!
//! The settings themselves are `config`'s; a test holds this table against them.

use clap_mangen::roff::{Roff, bold, italic, roman};

use super::{Page, rendered, see_also};

/// A section of the file, or what stands above the first.
struct Section {
    /// As it is written, `[aws]` or `[[record]]`; nothing for what stands above.
    header: &'static str,
    text: &'static str,
    settings: &'static [Setting],
}

struct Setting {
    /// Its path within the section.
    key: &'static str,
    /// In TOML; `None` where leaving it out means something that no value says.
    default: Option<&'static str>,
    text: &'static str,
    /// Lines of the section.
    example: &'static str,
}

const fn setting(
    key: &'static str,
    default: Option<&'static str>,
    text: &'static str,
    example: &'static str,
) -> Setting {
    Setting { key, default, text, example }
}

const SECTIONS: &[Section] = &[
    Section {
        header: "",
        text: "Above the first section:",
        settings: &[
            setting(
                "interval",
                Some("\"5m\""),
                "From one audit against what Route 53 serves to the next: drift that others made is mended. 1s to 168h.",
                "interval = \"1h\"",
            ),
            setting(
                "watch",
                Some("\"5s\""),
                "From one look at the sources to the next. No AWS API is called for it. 1s to 24h. Changes of an interface's addresses are followed at once, whatever it says.",
                "watch = \"1s\"",
            ),
            setting(
                "wait",
                Some("\"2m\""),
                "How long a change is followed until Route 53 is in sync: up to 1h, or \"off\".",
                "wait = \"off\"",
            ),
            setting(
                "state",
                None,
                "The directory where is kept what saves requests: zone ids, confirmed values, the signing scheme. Nothing is lost with it. Left out: $STATE_DIRECTORY (systemd's StateDirectory=), else $XDG_STATE_HOME/pin53, else ~/.local/state/pin53.",
                "state = \"/var/lib/pin53\"",
            ),
            setting(
                "listen",
                None,
                "Where the daemon serves its status over HTTP: a page, /status.json, /metrics (OpenMetrics), /healthz and /readyz (503 until the first decision). On a loopback address it answers to localhost and addresses alone; on another one, whoever reaches it reads names, values and changes. It shows no secret, and changes nothing. Taken at the start only. Left out: not served.",
                "listen = \"127.0.0.1:9353\"",
            ),
            setting(
                "log",
                Some("\"info\""),
                "What is logged, from the gravest on: off, error, warn, info, debug, trace; for a part of pin53 too, as in \"info,pin53::aws=debug\".",
                "log = \"debug\"",
            ),
            setting("log_format", Some("\"text\""), "\"text\" or \"json\".", "log_format = \"json\""),
        ],
    },
    Section {
        header: "[aws]",
        text: "How AWS is talked to, and as whom. AWS's own variables and files mean what they mean to AWS's tools.",
        settings: &[
            setting(
                "signing",
                Some("\"auto\""),
                "How requests to Route 53 are signed: \"aws3-https\", \"sigv4\", or \"auto\", which begins with AWS3-HTTPS and goes over to SigV4 where that isn't accepted.",
                "signing = \"sigv4\"",
            ),
            setting(
                "profile",
                None,
                "The profile of ~/.aws/config and ~/.aws/credentials to take, and no other credentials. Left out: AWS's own order, which begins with AWS_ACCESS_KEY_ID and ends with the instance's role.",
                "profile = \"dns\"",
            ),
            setting(
                "assume_role.arn",
                None,
                "A role to assume with the credentials that are found, in the zone's account for example.",
                "assume_role = { arn = \"arn:aws:iam::123456789012:role/pin53-dns\" }",
            ),
            setting(
                "assume_role.external_id",
                None,
                "The external id that the role's trust policy asks for.",
                "assume_role = { arn = \"arn:aws:iam::123456789012:role/pin53-dns\", external_id = \"some-id\" }",
            ),
            setting(
                "assume_role.session_name",
                None,
                "What CloudTrail calls the session. Left out: pin53.",
                "assume_role = { arn = \"arn:aws:iam::123456789012:role/pin53-dns\", session_name = \"pin53-web\" }",
            ),
        ],
    },
    Section {
        header: "[audit]",
        text: "How the daemon compares its records with what Route 53 serves.",
        settings: &[
            setting(
                "via",
                Some("\"auto\""),
                "\"auto\" asks the zone's own name servers, which costs no API call, and the API on a difference and where DNS can't tell: private zones, routed sets, port 53 blocked. \"api\" asks the API alone.",
                "via = \"api\"",
            ),
            setting(
                "name_servers",
                Some("[]"),
                "Servers to ask in place of the zone's own, such as a resolver that forwards to them. Port 53 where none is said.",
                "name_servers = [\"192.0.2.53:53\", \"2001:db8::53\"]",
            ),
        ],
    },
    Section {
        header: "[[record]]",
        text: "A record to keep. The section is repeated for more; each name and type may stand once, or once for each set identifier. --name on the command line takes the place of all of them.",
        settings: &[
            setting(
                "name",
                None,
                "The name to pin; it has to be there. In any case, with or without the final dot. It may hold {{ instance_id }}, {{ region }}, {{ availability_zone }}, {{ hostname }} (the first label of the host name) and {{ tags.KEY }}, once the instance's metadata shows tags. When a tag changes, the new name is pinned and the record at the old one stays.",
                "name = \"{{ instance_id }}.fleet.example.com\"",
            ),
            setting("type", Some("\"CNAME\""), "\"CNAME\", \"A\" or \"AAAA\".", "type = \"A\""),
            setting(
                "source",
                Some("\"imds\""),
                "Where the value comes from; see SOURCES. Of a list the first that answers counts. A source that can't be read leaves the record as it is.",
                "type = \"A\"\nsource = [\"imds\", \"https://checkip.amazonaws.com\"]",
            ),
            setting(
                "agree",
                Some("1"),
                "So many of a list of sources have to say the same, or the record is left as it is.",
                "type = \"A\"\nsource = [\"imds\", \"https://checkip.amazonaws.com\"]\nagree = 2",
            ),
            setting("ttl", Some("60"), "How long resolvers may keep the answer, in seconds.", "ttl = 30"),
            setting(
                "zone",
                None,
                "The hosted zone, by id or by name. Left out: the zone with the longest name that the record's name lies within. An id saves the permission to list zones.",
                "zone = \"Z0123456789EXAMPLE\"",
            ),
            setting("private", Some("false"), "Take the private zone of that name.", "private = true"),
            setting(
                "allow_private",
                Some("false"),
                "Publish private, CGNAT, loopback, link-local, multicast and unspecified addresses in a public zone too. Without it they are refused.",
                "type = \"A\"\nsource = \"imds:local-ipv4\"\nallow_private = true",
            ),
            setting(
                "on_conflict",
                Some("\"refuse\""),
                "What becomes of another type, an alias or a routed set at the name: \"refuse\" leaves it and says so; \"replace\" takes A, AAAA, CNAME, alias and routed sets of that very name away in the same change, unless they carry the ownership marker of somebody else. NS, SOA, MX, TXT and others never make way.",
                "on_conflict = \"replace\"",
            ),
            setting(
                "owner",
                None,
                "Writes an ownership marker beside the record, in the form of external-dns: a TXT record at cname-vpn.example.com. A record that is marked as another owner's is refused, also with on_conflict = \"replace\". Left out: markers are neither written nor looked for.",
                "owner = \"vpn-gateway\"",
            ),
            setting(
                "on_stop",
                Some("\"keep\""),
                "\"withdraw\" takes the record away when the daemon is stopped, if it still is as it was written.",
                "on_stop = \"withdraw\"",
            ),
            setting(
                "on_terminate",
                Some("\"keep\""),
                "\"withdraw\" takes it away when EC2 or Auto Scaling announces the instance's end. This process doesn't publish it again.",
                "on_terminate = \"withdraw\"",
            ),
            setting(
                "on_rebalance",
                Some("\"keep\""),
                "\"withdraw\" takes it away when EC2 recommends to replace the instance.",
                "on_rebalance = \"withdraw\"",
            ),
            setting(
                "routing.set_identifier",
                None,
                "Makes the record one member of a routed set, told from the others by this text; the others are left alone. It may hold the same words as a name. With it stands exactly one of multivalue, weight, region, failover and geo.",
                "routing = { set_identifier = \"{{ instance_id }}\", weight = 10 }",
            ),
            setting(
                "routing.multivalue",
                Some("false"),
                "Resolvers get up to eight healthy members. Not for a CNAME.",
                "type = \"A\"\nrouting = { set_identifier = \"{{ instance_id }}\", multivalue = true }",
            ),
            setting(
                "routing.weight",
                None,
                "This member's share of the answers, 0 to 255. Weighted members hold one value and share one TTL: a new member takes that of the others.",
                "routing = { set_identifier = \"blue\", weight = 10 }",
            ),
            setting(
                "routing.region",
                None,
                "Resolvers near this region get this member.",
                "routing = { set_identifier = \"eu\", region = \"eu-west-1\" }",
            ),
            setting(
                "routing.failover",
                None,
                "\"primary\", or \"secondary\", which answers while the primary is unhealthy.",
                "routing = { set_identifier = \"a\", failover = \"primary\", health_check_id = \"0123abcd\" }",
            ),
            setting(
                "routing.geo.continent",
                None,
                "Resolvers of this continent get this member: AF, AN, AS, EU, NA, OC or SA.",
                "routing = { set_identifier = \"eu\", geo = { continent = \"EU\" } }",
            ),
            setting(
                "routing.geo.country",
                None,
                "Resolvers of this country get it, in two letters; \"*\" for all that no other member is for.",
                "routing = { set_identifier = \"rest\", geo = { country = \"*\" } }",
            ),
            setting(
                "routing.geo.subdivision",
                None,
                "Of this state of the US or region of Ukraine alone.",
                "routing = { set_identifier = \"ca\", geo = { country = \"US\", subdivision = \"CA\" } }",
            ),
            setting(
                "routing.health_check_id",
                None,
                "The health check that this member answers under. With any of the policies.",
                "routing = { set_identifier = \"blue\", weight = 10, health_check_id = \"0123abcd\" }",
            ),
        ],
    },
    Section {
        header: "[[notify]]",
        text: "Who is told of what happens. The section is repeated for more, and each has exactly one of webhook, webhook_file, lambda, sns and command. Each event is attempted up to six times within ten minutes, beside everything else, and --once waits up to ten seconds for it. Trouble and its end are told once, also over restarts. Nothing is told with --dry-run. As variables (PIN53_NOTIFY__WEBHOOK) they make one notification in place of the file's.",
        settings: &[
            setting(
                "on",
                None,
                "What is told: \"changed\", \"failed\" (a record that isn't as wanted: left, refused, failed or unconfirmed) and \"recovered\" (as wanted again, after it was told that it wasn't). Left out: [\"changed\"]; with the presets healthchecks and uptime-kuma all three.",
                "on = [\"changed\", \"failed\", \"recovered\"]\nwebhook = \"https://hooks.example.com/pin53\"",
            ),
            setting(
                "failed_for",
                None,
                "How long trouble has to last before it is told. Left out: what only a person can mend (refused, not permitted, misconfigured) is told at once, the rest after a minute, and with --once everything at once.",
                "on = [\"failed\", \"recovered\"]\nfailed_for = \"10m\"\nwebhook = \"https://hooks.example.com/pin53\"",
            ),
            setting(
                "webhook",
                None,
                "A URL that gets a POST. Its body is a JSON object with event, name, type, outcome, before and after (null or values and ttl), reason, since, time, host, change_id, request_id and message, a sentence. Redirects aren't followed. Of the URL only the host is ever logged.",
                "webhook = \"https://hooks.example.com/pin53\"",
            ),
            setting(
                "webhook_file",
                None,
                "A file with the URL, for one that is a secret; it is read each time. A name without a slash in front is one of the unit's credentials (LoadCredential= of systemd).",
                "webhook_file = \"slack-url\"\npreset = \"slack\"",
            ),
            setting(
                "preset",
                None,
                "The form of a service: \"slack\", \"discord\", \"ntfy\" (the topic's URL), \"healthchecks\" (the ping URL) or \"uptime-kuma\" (the push URL). The last two also hear of each audit that finds all well, and of failures as such.",
                "webhook = \"https://ntfy.sh/some-topic\"\npreset = \"ntfy\"",
            ),
            setting(
                "template",
                None,
                "What is sent in place of pin53's own body, or with a preset its text. It holds the fields of the body in braces, all of them texts: {{ name }}, {{ before }}, {{ after }}, {{ message }}; with {% if event == \"failed\" %} and the filters default, join, lower, replace and upper. In one that is JSON, which begins with { or [, they are escaped as JSON wants it.",
                "webhook = \"https://hooks.example.com/pin53\"\ntemplate = '{\"summary\": \"{{ name }}: {{ before }} -> {{ after }}\"}'",
            ),
            setting(
                "headers",
                None,
                "Headers of the request, in place of pin53's own of those names. Their values are never logged.",
                "webhook = \"https://hooks.example.com/pin53\"\nheaders = { Authorization = \"Bearer some-token\" }",
            ),
            setting(
                "key",
                None,
                "Signs the request by SDK-HMAC-SHA256, for a backend behind an API gateway, with the key of this id.",
                "webhook = \"https://gateway.example.com/v1/pin53\"\nkey = \"some-key\"\nsecret_file = \"/etc/pin53/gateway-secret\"",
            ),
            setting(
                "secret_file",
                None,
                "A file with the secret of that key; found as webhook_file is.",
                "webhook = \"https://gateway.example.com/v1/pin53\"\nkey = \"some-key\"\nsecret_file = \"gateway-secret\"",
            ),
            setting(
                "lambda",
                None,
                "A function of AWS Lambda, by name or ARN, that is invoked with the JSON body (invocation type Event), with pin53's own credentials. They need lambda:InvokeFunction.",
                "lambda = \"arn:aws:lambda:eu-west-1:123456789012:function:pin53-told\"",
            ),
            setting(
                "sns",
                None,
                "A topic of Amazon SNS, by ARN, that the JSON body is published to. The credentials need sns:Publish.",
                "sns = \"arn:aws:sns:eu-west-1:123456789012:pin53\"\ntemplate = \"{{ message }}\"",
            ),
            setting(
                "command",
                None,
                "A program that gets the JSON body on standard input. It is run without a shell and ended after 30 s, without AWS's keys and pin53's variables in its environment; one that ends with 75 is run again.",
                "command = \"/usr/local/bin/told --quiet\"",
            ),
        ],
    },
];

/// The kinds of source, and what each has for values.
const SOURCES: &[(&str, &str)] = &[
    ("imds", "The instance's public-hostname for a CNAME, public-ipv4 for an A, ipv6 for an AAAA record."),
    (
        "imds:PATH",
        "That item of its metadata, as in imds:local-ipv4 or imds:network/interfaces/macs/MAC/ipv6s.",
    ),
    ("ecs", "The ECS task's own addresses and private host name, in network mode awsvpc."),
    (
        "interface:NAME",
        "Addresses of a network interface, none that is temporary, deprecated, tentative or link-local.",
    ),
    (
        "http:URL",
        "What a server answers; no redirect is followed. A bare http:// or https:// URL is one too.",
    ),
    (
        "dns:SERVER/NAME[/TYPE]",
        "What a DNS server answers, as in dns:resolver1.opendns.com/myip.opendns.com.",
    ),
    (
        "command:PROGRAM",
        "What a program prints. It is run without a shell, and ended after 10 s; a status other than 0 is no answer.",
    ),
    ("file:PATH", "What stands in a file."),
    ("static:VALUE", "The value itself."),
];

pub(super) fn page() -> Page {
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]);
    roff.text([roman("pin53.toml - configuration of pin53(1)")]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([italic("/etc/pin53/pin53.toml")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman("A TOML file. Another one is named with --config or PIN53_CONFIG. pin53 check tells every fault in it; SIGHUP has the daemon read it again, and where it is wrong the old settings stay.")]);
    roff.control("PP", []);
    roff.text([roman("Each setting can be given as a variable too: interval as PIN53_INTERVAL, signing in [aws] as PIN53_AWS__SIGNING, and a record's for the names of --name, as PIN53_TTL or PIN53_RECORD__ON_STOP. An option stands over a variable, a variable over the file. Durations are written like 500ms, 5s, 2m or 1h. A key that pin53 doesn't have is an error that names the nearest one.")]);
    for section in SECTIONS {
        roff.control("SH", [if section.header.is_empty() { "SETTINGS" } else { section.header }]);
        roff.text([roman(section.text)]);
        section.settings.iter().for_each(|setting| setting.write(&mut roff));
    }
    roff.control("SH", ["SOURCES"]);
    roff.text([roman("Several lines of an answer are several values. A value has to make sense before it is published: a CNAME refuses its own name and what isn't a host name, and see allow_private.")]);
    for (source, text) in SOURCES {
        roff.control("TP", []);
        roff.text([bold(*source)]);
        roff.text([roman(*text)]);
    }
    roff.control("SH", ["FILES"]);
    roff.control("TP", []);
    roff.text([italic("/etc/pin53/pin53.toml")]);
    roff.text([roman("Read when no other file is named, if it is there.")]);
    see_also(&mut roff, ["pin53(1)".to_owned()]);
    Page::new("pin53.toml", '5', &rendered(&roff))
}

impl Setting {
    fn write(&self, roff: &mut Roff) {
        roff.control("TP", []);
        match self.default {
            Some(default) => roff.text([bold(self.key), roman(format!(" = {default}"))]),
            None => roff.text([bold(self.key)]),
        };
        roff.text([roman(self.text)]);
        roff.control("RS", []);
        roff.control("EX", []);
        for line in self.example.lines() {
            roff.text([roman(line)]);
        }
        roff.control("EE", []);
        roff.control("RE", []);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::config::{self, Overrides, Settings};
    use crate::env::Env;

    const NAME: &str = "name = \"vpn.example.com\"\n";

    /// What a file says whose `section` holds these lines.
    fn loaded(section: &Section, lines: &str) -> Settings {
        let is_record = section.header == "[[record]]";
        let name = if is_record && lines.starts_with("name") { "" } else { NAME };
        let text = if is_record {
            format!("[[record]]\n{name}{lines}\n")
        } else {
            format!("{}\n{lines}\n[[record]]\n{NAME}", section.header)
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &text).unwrap();
        let overrides = Overrides { config: Some(file.path().to_owned()), ..Overrides::default() };
        config::load(&overrides, &Env::default()).unwrap_or_else(|faults| panic!("{faults} in:\n{text}"))
    }

    fn each() -> impl Iterator<Item = (&'static Section, &'static Setting)> {
        SECTIONS.iter().flat_map(|section| section.settings.iter().map(move |setting| (section, setting)))
    }

    #[test]
    fn the_page_has_every_setting_of_the_file_and_no_other() {
        let prefix = |section: &Section| section.header.replace(['[', ']'], "");
        let told: BTreeSet<String> = each()
            .map(|(section, setting)| format!("{}.{}", prefix(section), setting.key))
            .map(|path| path.trim_start_matches('.').to_owned())
            .collect();
        assert_eq!(told, config::paths().collect(), "say what a setting means in src/cli/man/settings.rs");
    }

    #[test]
    fn each_example_is_read_and_shows_its_setting() {
        for (section, setting) in each() {
            loaded(section, setting.example);
            for word in setting.key.split('.') {
                assert!(setting.example.contains(&format!("{word} = ")), "{word} in {}", setting.example);
            }
        }
    }

    #[test]
    fn each_default_is_what_holds_where_nothing_is_said() {
        for (section, setting) in each() {
            let Some(default) = setting.default else { continue };
            // A member of a set isn't there by default.
            if setting.key.starts_with("routing.") {
                continue;
            }
            let said = loaded(section, &format!("{} = {default}", setting.key));
            assert_eq!(said, loaded(section, ""), "{}", setting.key);
        }
    }

    #[test]
    fn the_page_has_every_kind_of_source() {
        let error = "nowhere".parse::<crate::source::Source>().unwrap_err().to_string();
        for (source, _) in SOURCES {
            assert!(error.contains(source), "{source} is none of {error}");
        }
        assert_eq!(error.matches(", ").count(), SOURCES.len(), "{error}");
    }
}
