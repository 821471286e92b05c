//! The examination: faults staged in the sandbox, each found, named, and given its mend.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pin53::aws::Signing;
use pin53::aws::sts::Role;
use pin53::clock::{SteadyClock, Timestamp};
use pin53::desired::{OnConflict, Rule, Terms, ZoneChoice};
use pin53::dns::{Policy, RecordSet, RecordType, Routing, Target};
use pin53::doctor::{self, Check, Findings, Status, Systemd, examine};
use pin53::env::Env;
use pin53::sandbox::{self, Fault, Instance, Operation};
use pin53::secret::Credentials;
use pin53::source::Source;
use tempfile::TempDir;

use crate::binary::{Ran, Town, plain, town};
use crate::house::{House, START, cname, house as plain_house, name, of_type, simple};

/// A patient house: calls of the API aren't attempted for longer than the examination lets them.
fn house() -> House {
    House { patience: doctor::PATIENCE, ..plain_house() }
}

async fn examined(house: &House, rules: &[Rule], state: &Path) -> Findings {
    let engine = house.engine(rules);
    examine(doctor::Parts {
        reconcile: engine.reconcile,
        shared: engine.shared,
        imds: engine.imds,
        credentials: engine.credentials,
        clock: engine.clock,
        machine: Arc::clone(&house.machine),
        to_sts: engine.sts,
        datagrams: (house.datagrams)(sandbox::InProcess::new(Arc::clone(&house.world))),
        signing: house.signing,
        audit: house.audit.clone(),
        state_dir: Some(state.to_owned()),
        resolvers: vec!["169.254.169.253:53".parse().unwrap()],
        systemd: Systemd { booted: "/nowhere".into(), ..Systemd::default() },
    })
    .await
}

async fn findings(house: &House, rules: &[Rule]) -> Findings {
    let directory = TempDir::new().unwrap();
    let started = tokio::time::Instant::now();
    let findings = examined(house, rules, directory.path()).await;
    assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
    assert_eq!(house.world.calls(Operation::ChangeResourceRecordSets), 0, "it changed something");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "it wrote something");
    for check in findings.checks() {
        let said = [&check.why, &check.mend].map(|text| text.as_ref().is_some_and(|text| !text.is_empty()));
        let is_trouble = matches!(check.status, Status::Fail | Status::Warn);
        assert_eq!(said, [is_trouble; 2], "{check:?}");
    }
    findings
}

/// What an examination for one CNAME finds wrong.
async fn wrong(house: &House) -> String {
    wrong_with(house, &[cname("vpn.example.com")]).await
}

async fn wrong_with(house: &House, rules: &[Rule]) -> String {
    told(&findings(house, rules).await)
}

/// Failures and warnings with why and mend, and how grave it all is.
fn told(findings: &Findings) -> String {
    let mut text = String::new();
    let trouble = |check: &&Check| matches!(check.status, Status::Fail | Status::Warn);
    for Check { id, status, found, why, mend, .. } in findings.checks().iter().filter(trouble) {
        let word = if *status == Status::Fail { "fail" } else { "warn" };
        let (why, mend) = (why.as_ref().unwrap(), mend.as_ref().unwrap());
        writeln!(text, "{word} {id}: {found}\n  why: {why}\n  mend: {mend}").unwrap();
    }
    write!(text, "{:?}", findings.class()).unwrap();
    text
}

fn with_env(pairs: &[(&str, &str)]) -> House {
    House { env: Env::from_iter(pairs.iter().copied()), ..house() }
}

/// A house whose environment has these keys.
fn with_keys(keys: &Credentials) -> House {
    let secret = secrecy::ExposeSecret::expose_secret(&keys.secret);
    let mut env = vec![("AWS_ACCESS_KEY_ID", keys.key_id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret)];
    let token = keys.session_token.as_ref().map(secrecy::ExposeSecret::expose_secret);
    env.extend(token.map(|token| ("AWS_SESSION_TOKEN", token)));
    env.push(("AWS_REGION", "eu-west-1"));
    with_env(&env)
}

fn off_by(seconds: i64) -> House {
    let start: Timestamp = START.parse().unwrap();
    let shown = start + jiff::SignedDuration::from_secs(seconds);
    House { machine: Arc::new(SteadyClock::starting_at(shown)), ..house() }
}

#[tokio::test(start_paused = true)]
async fn on_an_instance_where_all_is_well_each_step_says_what_it_found() {
    let house = house();
    let findings =
        findings(&house, &[cname("vpn.example.com"), of_type(RecordType::A, "a.example.com")]).await;
    let text = findings.text();
    // Where the state is differs from run to run.
    let shown: Vec<&str> = text.lines().filter(|line| !line.contains("/tmp")).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    ok    configuration                  to keep: vpn.example.com CNAME, a.example.com A
    ok    aws-settings                   no profile, no region set, the instance's is taken
    ok    metadata                       it answers (version 2): i-0123456789abcdef0 in eu-west-1a
    ok    address:vpn.example.com/CNAME  ec2-198-51-100-7.eu-west-1.compute.amazonaws.com from imds
    ok    address:a.example.com/A        198.51.100.7 from imds
    ok    credentials                    of the instance's role pin53, until 2026-11-21T16:00:00Z
    ok    identity                       arn:aws:sts::123456789012:assumed-role/pin53/i-0123456789abcdef0
    ok    clock                          it shows Amazon's time
    ok    endpoint                       https://route53.amazonaws.com answers, and its certificate is trusted
    ok    signing                        AWS3-HTTPS is taken
    ok    zone:vpn.example.com           example.com (ZPMPSYMCLQOP5OTVXAYLM), public
    ok    zone:a.example.com             example.com (ZPMPSYMCLQOP5OTVXAYLM), public
    ok    name-servers:example.com       4 of 4 of its name servers speak for the zone
    ok    delegation:example.com         whoever asks for example.com is led to its 4 name servers
    ok    record:vpn.example.com/CNAME   nothing stands in the way; pin53 would change vpn.example.com CNAME (none) -> ec2-198-51-100-7.eu-west-1.compute.amazonaws.com (ttl 60)
    ok    record:a.example.com/A         nothing stands in the way; pin53 would change a.example.com A (none) -> 198.51.100.7 (ttl 60)
    ok    permissions                    route53:GetChange, route53:ListHostedZonesByName, route53:ListResourceRecordSets
    skip  permissions:change             route53:ChangeResourceRecordSets can't be tried without changing something: `pin53 policy` prints what permits it for this configuration
    skip  unit                           systemd doesn't run this machine
    20 checks, 2 skipped
    ");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_a_variable_switches_off() {
    insta::assert_snapshot!(wrong(&with_env(&[("AWS_EC2_METADATA_DISABLED", "true")])).await, @"
    fail metadata: switched off by a variable
      why: the metadata service is switched off by AWS_EC2_METADATA_DISABLED
      mend: take AWS_EC2_METADATA_DISABLED out of the environment, or name sources and credentials that don't need the metadata
    fail credentials: none
      why: no credentials: the environment: AWS_ACCESS_KEY_ID is not set; web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; the profile files: there are none; a container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set; the instance's role: not asked, the metadata service is switched off by AWS_EC2_METADATA_DISABLED
      mend: give the instance a role with the policy of deploy/iam/policy.json, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_is_nowhere() {
    let house = with_env(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://192.0.2.1")]);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail metadata: nobody is there
      why: the metadata service can't be reached: could not connect to 192.0.2.1
      mend: off EC2 there is no metadata service: name other sources (--source) and credentials; on EC2 see AWS_EC2_METADATA_SERVICE_ENDPOINT, firewall rules and routes for 169.254.169.254
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn metadata_whose_answers_do_not_arrive() {
    let house = house();
    house.world.inject(Fault::ImdsSilent);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail metadata: it takes the connection, and its answer doesn't arrive
      why: the metadata service can't be reached: no answer from 169.254.169.254 within 1 s
      mend: in a container: aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2, or the host's network; elsewhere a firewall on the machine lets no answer through
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_is_disabled_for_the_instance() {
    let house = house();
    house.world.inject(Fault::ImdsOff);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail metadata: it is there, and gives no token (403)
      why: the metadata service refuses to give a token (status 403): it is disabled for this instance
      mend: aws ec2 modify-instance-metadata-options --instance-id ID --http-endpoint enabled, or sources and credentials that don't need it
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn metadata_of_version_1_only() {
    let house = house();
    house.world.inject(Fault::ImdsV1);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail metadata: it answers to version 1 only
      why: the metadata service answers, but not to version 2 (status 405 to the request for a token)
      mend: put right what answers at its address: on EC2 each instance speaks version 2; a proxy or an emulator in its place has to pass PUT /latest/api/token on
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_fails() {
    let house = house();
    house.world.inject(Fault::ImdsError);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail metadata: it answers, but not what it should
      why: the metadata service answered the request for a token with status 500
      mend: try again; where it stays so, see what answers at its address, and whether something on the machine asks it so often that it is throttled
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_refuses_its_own_tokens() {
    let house = house();
    house.world.inject(Fault::ImdsToken);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail metadata: it refuses the token that it gave
      why: the metadata service answered instance-id with status 401
      mend: see what stands between: a proxy or an emulator that spreads requests over several instances
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_nothing_needs_may_be_away() {
    let house = with_keys(&house().world.long_lived_credentials());
    house.world.inject(Fault::ImdsSilent);
    let rule = Rule { sources: vec![Source::Static("a.example.net".to_owned())], ..cname("vpn.example.com") };
    let findings = findings(&house, &[rule]).await;
    assert!(findings.is_ok(), "{}", findings.text());
    let metadata = findings.checks().iter().find(|check| check.id == "metadata").unwrap();
    assert_eq!(metadata.status, Status::Skip);
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_a_public_address() {
    let house = house();
    house.world.with_instance(Instance::release_address);
    insta::assert_snapshot!(wrong(&house).await, @r#"
    fail address:vpn.example.com/CNAME: no public address
      why: the metadata service has no public-hostname for this instance: it has no public IPv4 address (yet)
      mend: associate an Elastic IP address, or launch into a subnet that gives public addresses; for a private name take source = "imds:local-ipv4" or "imds:local-hostname"
    TryAgain
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_network_without_dns_host_names() {
    let house = house();
    house.world.with_instance(|instance| instance.public_hostname = None);
    insta::assert_snapshot!(wrong(&house).await, @r#"
    fail address:vpn.example.com/CNAME: no public host name
      why: the metadata service has no public-hostname for this instance, though it has the public address 198.51.100.7: DNS hostnames are not enabled in its VPC
      mend: aws ec2 modify-vpc-attribute --vpc-id vpc-0123456789abcdef0 --enable-dns-hostnames '{"Value":true}' (and --enable-dns-support), or an A record in place of the CNAME
    TryAgain
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_can_not_be_read() {
    let rule = Rule { sources: vec![Source::File("/nowhere/address".into())], ..cname("vpn.example.com") };
    insta::assert_snapshot!(wrong_with(&house(), &[rule]).await, @"
    fail address:vpn.example.com/CNAME: file:/nowhere/address can't be read
      why: /nowhere/address can't be read: No such file or directory (os error 2)
      mend: see that the source answers here, as the user that pin53 runs as, or name another one behind it in the list
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_belong_into_a_public_zone() {
    let rule =
        Rule { sources: vec!["imds:local-ipv4".parse().unwrap()], ..of_type(RecordType::A, "a.example.com") };
    insta::assert_snapshot!(wrong_with(&house(), &[rule]).await, @"
    fail record:a.example.com/A: refused
      why: 10.0.0.53 is a private address, which doesn't belong into a public zone (allow_private = true publishes it all the same)
      mend: private = true puts it into a private zone, allow_private = true publishes it all the same; or take a public source
    Refused
    ");
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_a_role() {
    let house = house();
    house.world.with_instance(|instance| instance.role = None);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail credentials: none
      why: no credentials: the environment: AWS_ACCESS_KEY_ID is not set; web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; the profile files: there are none; a container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set; the instance's role: the metadata service says that the instance has none
      mend: give the instance a role with the policy of deploy/iam/policy.json, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    NotPermitted
    ");
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_is_not_there() {
    insta::assert_snapshot!(wrong(&with_env(&[("AWS_PROFILE", "dns")])).await, @"
    fail credentials: set up, but not so that they work
      why: AWS_PROFILE: expected profile 'dns' in a profile file, found none
      mend: put AWS_PROFILE right, or take it away: as long as it is there, nobody else is asked
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn half_a_pair_of_keys() {
    insta::assert_snapshot!(wrong(&with_env(&[("AWS_ACCESS_KEY_ID", "AKID")])).await, @"
    fail credentials: set up, but not so that they work
      why: AWS_SECRET_ACCESS_KEY: expected beside AWS_ACCESS_KEY_ID, found nothing
      mend: put AWS_SECRET_ACCESS_KEY right, or take it away: as long as it is there, nobody else is asked
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_knows() {
    insta::assert_snapshot!(wrong(&with_keys(&Credentials::new("AKIDUNKNOWN", "secret"))).await, @"
    fail identity: the credentials are refused
      why: STS answered InvalidClientTokenId (403): The security token included in the request is invalid.
      mend: check the access key id: it is unknown, inactive, deleted, or of another partition; a session token has to go with it (AWS_SESSION_TOKEN)
    NotPermitted
    ");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_another_keys() {
    let right = house().world.long_lived_credentials();
    let house = with_keys(&Credentials::new(right.key_id, "not the secret"));
    insta::assert_snapshot!(wrong(&house).await, @"
    fail identity: the signature is refused
      why: STS answered SignatureDoesNotMatch (403): The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.
      mend: check the secret access key: it isn't the one that goes with the access key id
    NotPermitted
    ");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_have_ended() {
    let keys = Credentials::new("ASIAENDED", "secret").with_token("token");
    let house = with_keys(&keys);
    house.world.add_credentials(keys, Some("2026-11-21T09:00:00Z".parse().unwrap()));
    insta::assert_snapshot!(wrong(&house).await, @"
    fail identity: the credentials are refused
      why: STS answered ExpiredToken (403): The security token included in the request is expired
      mend: they have ended: get new ones (log in again, or let a role give them: those renew themselves)
    NotPermitted
    ");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_nobody_renews() {
    let house = house();
    house.world.role_credentials().unwrap();
    house.world.inject(Fault::StaleCredentials);
    tokio::time::advance(Duration::from_secs(7 * 3600)).await;
    insta::assert_snapshot!(wrong(&house).await, @"
    warn credentials: of the instance's role pin53, until 2026-11-21T16:00:00Z
      why: they end at 2026-11-21T16:00:00Z, and who gives them has no new ones: they are used on meanwhile
      mend: see that the role is still there and trusts the service that it is for, and AWS's health dashboard for the region
    Fine
    ");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_be_assumed() {
    let role = Role {
        arn: "arn:aws:iam::123456789012:role/dns".to_owned(),
        external_id: Some("wrong".to_owned()),
        ..Role::default()
    };
    let house = House { assume_role: Some(role.clone()), ..house() };
    house.world.guard_role(&role.arn, "right");
    insta::assert_snapshot!(wrong(&house).await, @"
    fail credentials: refused
      why: [aws] assume_role: role arn:aws:iam::123456789012:role/dns could not be assumed: STS answered AccessDenied (403): User: arn:aws:sts::123456789012:assumed-role/pin53/i-0123456789abcdef0 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/dns
      mend: let the role's trust policy admit this caller (with the external id, where it asks for one), and the caller's own policy permit sts:AssumeRole
    NotPermitted
    ");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off() {
    insta::assert_snapshot!(wrong(&off_by(-600)).await, @"
    fail clock: 600 s behind
      why: this machine's clock is off Amazon's by more than 60 s
      mend: set it (chronyc makestep, or timedatectl set-ntp true; Amazon's server is 169.254.169.123). pin53 signs by Amazon's time, but certificates, timers and log lines are by the machine's
    Other
    ");
    assert!(findings(&off_by(60), &[cname("vpn.example.com")]).await.is_ok());
    assert!(!findings(&off_by(61), &[cname("vpn.example.com")]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn where_everything_is_slow_it_ends_in_time_all_the_same() {
    let keys = house().world.long_lived_credentials();
    for latency in ["imds=20s,aws=20s", "imds=900ms,aws=3900ms", "aws=3s"] {
        for house in [house(), with_keys(&keys)] {
            house.world.set_latency(latency.parse().unwrap());
            house.world.inject(Fault::DnsSilent);
            // The time is looked at for each.
            findings(&house, &[cname("vpn.example.com"), cname("other.example.com")]).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_nowhere() {
    let house = with_env(&[("AWS_ENDPOINT_URL_ROUTE_53", "https://192.0.2.1"), ("AWS_REGION", "eu-west-1")]);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail endpoint: it can't be reached
      why: Route 53 can't be reached: could not connect to 192.0.2.1
      mend: see that its name resolves here and that nothing keeps connections out: security group, network ACL, a route to the Internet (or dual stack), HTTPS_PROXY; and AWS_ENDPOINT_URL_ROUTE_53 where it is set
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn a_scheme_that_the_service_does_not_take() {
    let house = house();
    house.world.inject(Fault::RejectAws3);
    insta::assert_snapshot!(wrong(&house).await, @r#"
    warn signing: SigV4 is taken, AWS3-HTTPS isn't
      why: https://route53.amazonaws.com doesn't know AWS3-HTTPS, or something on the way takes its header off
      mend: signing = "sigv4" spares the attempt; without it the choice is remembered in the state directory
    Fine
    "#);
    let insisting = House { signing: Signing::Aws3Https, ..self::house() };
    insisting.world.inject(Fault::RejectAws3);
    insta::assert_snapshot!(wrong(&insisting).await, @r#"
    fail signing: refused
      why: Route 53 answered MissingAuthenticationToken (403): Missing Authentication Token
      mend: the service may not take AWS3-HTTPS: signing = "auto" or "sigv4"
    NotPermitted
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_throttled() {
    let house = house();
    house.world.inject(Fault::Throttle.always());
    insta::assert_snapshot!(wrong(&house).await, @"
    fail signing: not judged: the account is throttled
      why: Route 53 answered Throttling (400): Rate exceeded
      mend: wait; the rate is one for the whole account: see who else asks Route 53 so often (CloudTrail), a tool with a short interval or a fleet
    TryAgain
    ");
    assert!(house.requests().1 < 10, "nobody hammers a throttled account: {:?}", house.requests());
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_somebody_elses() {
    let house = house();
    house.world.inject(Fault::Html.always());
    insta::assert_snapshot!(wrong(&house).await, @"
    fail signing: not judged: the answer can't be read
      why: the answer from Route 53 can't be read: expected <ListHostedZonesByNameResponse>, found <html>
      mend: see who answers: a proxy, a captive portal, or another service at that endpoint
    TryAgain
    ");
}

#[tokio::test(start_paused = true)]
async fn a_role_without_a_policy() {
    let house = house();
    for operation in Operation::ALL {
        house.deny(*operation);
    }
    insta::assert_snapshot!(wrong(&house).await, @"
    fail permissions: denied: route53:GetChange, route53:ListHostedZonesByName
      why: Route 53 answered AccessDenied (403): User: arn:aws:sts::123456789012:assumed-role/pin53/i-0123456789abcdef0 is not authorized to perform: route53:GetChange on resource: arn:aws:route53:::change/C0000000000000 because no identity-based policy allows the route53:GetChange action; Route 53 answered AccessDenied (403): User: arn:aws:sts::123456789012:assumed-role/pin53/i-0123456789abcdef0 is not authorized to perform: route53:ListHostedZones on resource: * because no identity-based policy allows the route53:ListHostedZones action
      mend: allow route53:GetChange, route53:ListHostedZonesByName to these credentials (`pin53 policy` prints what this configuration needs); where that is done, a permissions boundary, a service control policy or a session policy denies it
    NotPermitted
    ");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_lacks_one_permission() {
    for (operation, id) in
        [(Operation::ListResourceRecordSets, "permissions"), (Operation::GetChange, "permissions")]
    {
        let house = house();
        house.deny(operation);
        let findings = findings(&house, &[cname("vpn.example.com")]).await;
        let failed: Vec<&Check> = findings.checks().iter().filter(|c| c.status == Status::Fail).collect();
        assert_eq!(failed.len(), 1, "{}", findings.text());
        assert_eq!((failed[0].id.as_str(), failed[0].class), (id, pin53::report::Class::NotPermitted));
        assert_eq!(failed[0].found, format!("denied: route53:{operation}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_without_a_zone() {
    insta::assert_snapshot!(wrong_with(&house(), &[cname("vpn.example.org")]).await, @"
    fail zone:vpn.example.org: none
      why: no hosted zone for vpn.example.org
      mend: check the name; make the zone (aws route53 create-hosted-zone), or take credentials of the account that has it
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_private_only() {
    let house = house();
    house.world.add_private_zone("example.org").unwrap();
    insta::assert_snapshot!(wrong_with(&house, &[cname("vpn.example.org")]).await, @"
    fail zone:vpn.example.org: only a private one
      why: no hosted zone for vpn.example.org that is public (private: Z73J6JCGX5QQKYOWEJYGJ (example.org))
      mend: private = true on the record takes it; else make a public zone
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn several_zones_of_one_name() {
    let house = house();
    house.world.add_zone("example.com").unwrap();
    insta::assert_snapshot!(wrong(&house).await, @r#"
    fail zone:vpn.example.com: several
      why: several hosted zones for vpn.example.com: Z73J6JCGX5QQKYOWEJYGJ (example.com), ZPMPSYMCLQOP5OTVXAYLM (example.com)
      mend: choose one of them: --zone ID, or zone = "ID" on the record
    Misconfigured
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_zone_id_that_is_nobodys() {
    let zone = ZoneChoice::Id("ZNOSUCHZONE".parse().unwrap());
    insta::assert_snapshot!(wrong_with(&house(), &[Rule { zone, ..cname("vpn.example.com") }]).await, @"
    fail zone:vpn.example.com: the zone that is asked for isn't there
      why: Route 53 answered NoSuchHostedZone (404): No hosted zone found with ID: ZNOSUCHZONE
      mend: check the zone's id, and that these credentials are of the account that has it
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn a_zone_beside_the_one_that_is_served() {
    let house = house();
    let first = house.world.zone_of(&name("example.com")).unwrap();
    let second = house.world.add_zone("example.com").unwrap();
    let served = house.world.zone_of(&name("example.com")).unwrap();
    let other = if served == first { second } else { first };
    let rule = Rule { zone: ZoneChoice::Id(other), ..cname("vpn.example.com") };
    insta::assert_snapshot!(wrong_with(&house, &[rule]).await, @"
    fail name-servers:example.com: ns-1615.awsdns-15.co.uk speaks for another zone of that name
      why: it names ns-1075.awsdns-51.org, ns-1616.awsdns-16.co.uk, ns-565.awsdns-53.net, ns-88.awsdns-24.com, and the hosted zone ns-1100.awsdns-12.org, ns-1615.awsdns-15.co.uk, ns-583.awsdns-07.net, ns-85.awsdns-21.com
      mend: see whether there are several hosted zones of that name, and take the one that is served (--zone ID), or set its NS record set back to the zone's own name servers
    fail delegation:example.com: the parent zone points elsewhere
      why: whoever asks for example.com is led to ns-1075.awsdns-51.org, ns-1616.awsdns-16.co.uk, ns-565.awsdns-53.net, ns-88.awsdns-24.com, and the hosted zone's are ns-1100.awsdns-12.org, ns-1615.awsdns-15.co.uk, ns-583.awsdns-07.net, ns-85.awsdns-21.com
      mend: give the zone's name servers to whoever keeps the parent zone (the registrar of a domain, or NS records for example.com in the zone above it): ns-1100.awsdns-12.org, ns-1615.awsdns-15.co.uk, ns-583.awsdns-07.net, ns-85.awsdns-21.com
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_nobody_points_to() {
    let house = house();
    house.world.delegate(&name("example.com"), &[]);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail delegation:example.com: nobody points to it
      why: 169.254.169.253:53 says that there is no name example.com
      mend: give the zone's name servers to whoever keeps the parent zone (the registrar of a domain, or NS records for example.com in the zone above it): ns-1075.awsdns-51.org, ns-1616.awsdns-16.co.uk, ns-565.awsdns-53.net, ns-88.awsdns-24.com
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_points_elsewhere() {
    let house = house();
    house.world.delegate(&name("example.com"), &["ns1.registrar.example.", "ns2.registrar.example."]);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail delegation:example.com: the parent zone points elsewhere
      why: whoever asks for example.com is led to ns1.registrar.example, ns2.registrar.example, and the hosted zone's are ns-1075.awsdns-51.org, ns-1616.awsdns-16.co.uk, ns-565.awsdns-53.net, ns-88.awsdns-24.com
      mend: give the zone's name servers to whoever keeps the parent zone (the registrar of a domain, or NS records for example.com in the zone above it): ns-1075.awsdns-51.org, ns-1616.awsdns-16.co.uk, ns-565.awsdns-53.net, ns-88.awsdns-24.com
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn name_servers_that_do_not_speak_for_the_zone() {
    let house = house();
    house.world.inject(Fault::DnsRefused);
    insta::assert_snapshot!(wrong(&house).await, @"
    fail name-servers:example.com: they don't speak for the zone
      why: ns-88.awsdns-24.com, ns-565.awsdns-53.net, ns-1075.awsdns-51.org, ns-1616.awsdns-16.co.uk refused to answer for example.com with authority
      mend: see that the zone is still there, and that nothing between answers on port 53 in their place
    fail delegation:example.com: nobody is led to it
      why: 169.254.169.253:53 gives up on example.com (code 2): those that the parent zone points to don't speak for it, or DNSSEC doesn't hold
      mend: give the zone's name servers to whoever keeps the parent zone (the registrar of a domain, or NS records for example.com in the zone above it): ns-1075.awsdns-51.org, ns-1616.awsdns-16.co.uk, ns-565.awsdns-53.net, ns-88.awsdns-24.com
    Misconfigured
    ");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_blocked() {
    let house = house();
    house.world.inject(Fault::DnsSilent);
    insta::assert_snapshot!(wrong(&house).await, @r#"
    warn name-servers:example.com: none of them answers (port 53)
      why: no DNS answer from 205.251.0.88:53: timed out
      mend: let UDP and TCP port 53 out (security group, network ACL, firewall); or set [audit] via = "api": audits then go through the API, at the cost of a call each
    Fine
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_private_zone_that_this_network_does_not_see() {
    let house = house();
    house.world.add_private_zone_of("internal.example.com", &[("us-east-1", "vpc-0other")]).unwrap();
    let rule = Rule { private: true, ..of_type(RecordType::A, "db.internal.example.com") };
    insta::assert_snapshot!(wrong_with(&house, &[rule]).await, @"
    warn network:internal.example.com: it isn't seen in this machine's network, vpc-0123456789abcdef0 (eu-west-1)
      why: the private zone answers in vpc-0other (us-east-1) only: this machine won't see its own record
      mend: aws route53 associate-vpc-with-hosted-zone --hosted-zone-id Z73J6JCGX5QQKYOWEJYGJ --vpc VPCRegion=eu-west-1,VPCId=vpc-0123456789abcdef0, if it is to be seen there
    Fine
    ");
}

#[tokio::test(start_paused = true)]
async fn a_cname_at_the_zones_own_name() {
    insta::assert_snapshot!(wrong_with(&house(), &[cname("example.com")]).await, @r#"
    fail record:example.com/CNAME: refused
      why: NS records stand there: it is the zone's own name (its apex) or a zone of its own, where a CNAME can't stand
      mend: choose a name below the zone's own, or an A record in place of the CNAME (type = "A")
    Refused
    "#);
}

#[tokio::test(start_paused = true)]
async fn another_type_in_the_way() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::A, 60, &["198.51.100.1"]));
    insta::assert_snapshot!(wrong(&house).await, @r#"
    fail record:vpn.example.com/CNAME: refused
      why: a record of type A stands there, and a CNAME stands alone (on_conflict = "replace" takes it out of the way)
      mend: take it away if nobody needs it, let pin53 do so with on_conflict = "replace" on the record, or choose another name
    Refused
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_alias_in_the_way() {
    let house = house();
    let target = Target::Alias {
        zone_id: "Z2FDTNDATAQYW2".parse().unwrap(),
        name: name("d111111abcdef8.cloudfront.net"),
        evaluate_health: false,
    };
    house.put(RecordSet { target, ..simple("a.example.com", RecordType::A, 60, &["198.51.100.1"]) });
    insta::assert_snapshot!(wrong_with(&house, &[of_type(RecordType::A, "a.example.com")]).await, @r#"
    fail record:a.example.com/A: refused
      why: an alias of type A to d111111abcdef8.cloudfront.net stands there (on_conflict = "replace" takes it out of the way)
      mend: take it away if nobody needs it, let pin53 do so with on_conflict = "replace" on the record, or choose another name
    Refused
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_routed_set_in_the_way() {
    let house = house();
    let routing = Some(Routing { set_identifier: "other".to_owned(), policy: Policy::Weighted(10) });
    house.put(RecordSet { routing, ..simple("a.example.com", RecordType::A, 60, &["198.51.100.1"]) });
    insta::assert_snapshot!(wrong_with(&house, &[of_type(RecordType::A, "a.example.com")]).await, @r#"
    fail record:a.example.com/A: refused
      why: a routed set of type A (member 'other', weight 10) stands there (on_conflict = "replace" takes it out of the way)
      mend: take it away if nobody needs it, let pin53 do so with on_conflict = "replace" on the record, or choose another name
    Refused
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_another_owner() {
    let house = house();
    let marker = "\"heritage=external-dns,external-dns/owner=cluster\"";
    house.put(simple("cname-vpn.example.com", RecordType::Txt, 300, &[marker]));
    let terms = Terms { on_conflict: OnConflict::Replace, owner: Some("vpn".parse().unwrap()) };
    insta::assert_snapshot!(wrong_with(&house, &[Rule { terms, ..cname("vpn.example.com") }]).await, @"
    fail record:vpn.example.com/CNAME: refused
      why: it belongs to owner 'cluster', says the TXT record at cname-vpn.example.com (this one's is 'vpn')
      mend: ask that owner to let go of the name, or set the same owner on the record if it is yours; else choose another name
    Refused
    ");
}

#[tokio::test(start_paused = true)]
async fn a_state_directory_that_can_not_be_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let findings = examined(&house(), &[cname("vpn.example.com")], file.path()).await;
    let text = told(&findings).replace(&file.path().display().to_string(), "FILE");
    insta::assert_snapshot!(text, @r#"
    fail state: FILE is no directory
      why: something else stands there: nothing is lost but what was learnt, which is then asked for at each start
      mend: name another directory: state = "..." in the configuration, or STATE_DIRECTORY
    Misconfigured
    "#);
}

/// Status and JSON of the built binary.
async fn doctor(town: &Town, env: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let arguments = [&["doctor", "--json", "--name", "vpn.example.com"], arguments].concat();
    let mut command = town.pin53(&arguments);
    command.envs(env.iter().copied());
    let ran = Ran::of(command.output().await.unwrap());
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    (ran.status, json)
}

/// The ids of the checks that came out like this.
fn ids(json: &serde_json::Value, status: &str) -> Vec<String> {
    let checks = json["checks"].as_array().unwrap().iter();
    checks.filter(|c| c["status"] == status).map(|c| c["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_binary_ends_with_0_where_all_is_well_and_writes_nothing() {
    let town = plain().await;
    let (status, json) = doctor(&town, &[], &[]).await;
    assert_eq!((status, &json["ok"]), (Some(0), &true.into()), "{json:#}");
    assert!(json["checks"].as_array().unwrap().len() > 12, "{json:#}");
    assert_eq!(town.running.world.calls(Operation::ChangeResourceRecordSets), 0);
    assert!(!town.directory.path().join("state").exists());

    let ran = town.run(&["doctor", "--name", "vpn.example.com"]).await;
    assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.out.starts_with("ok    configuration "), "{ran:?}");
}

#[tokio::test]
async fn the_binary_ends_with_the_gravest_status() {
    /// Status, the check that fails, variables, and what is done to the world.
    type Case = (i32, &'static str, &'static [(&'static str, &'static str)], fn(&Town));
    let cases: &[Case] = &[
        (65, "record:vpn.example.com/CNAME", &[], |town| {
            let address = simple("vpn.example.com", RecordType::A, 60, &["198.51.100.1"]);
            town.running.world.put_record(address).unwrap();
        }),
        (75, "metadata", &[], |town| town.running.world.inject(Fault::ImdsError)),
        (75, "address:vpn.example.com/CNAME", &[], |town| {
            town.running.world.with_instance(Instance::release_address);
        }),
        (77, "credentials", &[], |town| town.running.world.with_instance(|instance| instance.role = None)),
        (78, "zone:vpn.example.com", &[("PIN53_ZONE", "ZNOSUCHZONE")], |_| {}),
        (78, "credentials", &[("AWS_PROFILE", "nobody")], |_| {}),
        (78, "configuration", &[("PIN53_TLL", "5")], |_| {}),
        (78, "aws-settings", &[("AWS_CA_BUNDLE", "/nowhere/ca.pem")], |_| {}),
        (1, "clock", &[], |town| town.running.world.inject("clock:+10m".parse::<sandbox::Script>().unwrap())),
    ];
    for (expected, id, env, trouble) in cases {
        let town = plain().await;
        trouble(&town);
        let (status, json) = doctor(&town, env, &[]).await;
        assert_eq!(status, Some(*expected), "{json:#}");
        assert_eq!((&json["ok"], ids(&json, "fail")), (&false.into(), vec![(*id).to_owned()]), "{json:#}");
        for check in json["checks"].as_array().unwrap() {
            assert_eq!(check.as_object().unwrap().len(), 5, "{check}");
            let is_trouble = matches!(check["status"].as_str().unwrap(), "fail" | "warn");
            assert_eq!(
                (check["why"].is_string(), check["mend"].is_string()),
                (is_trouble, is_trouble),
                "{check}"
            );
        }
    }
}

#[tokio::test]
async fn a_broken_configuration_is_told_with_each_fault_and_nothing_else_is_looked_at() {
    let town = plain().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "wach = \"5s\"\n[[record]]\nname = \"a..b\"\n").unwrap();
    let config = file.path().to_str().unwrap();
    let ran = town.run(&["doctor", "--config", config]).await;
    assert_eq!(ran.status, Some(78));
    insta::assert_snapshot!(ran.out.replace(config, "FILE"), @"
    fail  configuration  it can't be used
          why:  FILE: wach: expected a setting of pin53's, found 'wach'; the nearest is 'watch'; FILE: record[0].name: expected a domain name, found 'a..b', which has an empty label
          mend: put right what is named, in the file, variable or option that is named with it; pin53 check looks at the file alone
    skip  aws-settings   not looked at: configuration failed
    skip  metadata       not looked at: configuration failed
    skip  address        not looked at: configuration failed
    skip  credentials    not looked at: configuration failed
    skip  identity       not looked at: configuration failed
    skip  clock          not looked at: configuration failed
    skip  endpoint       not looked at: configuration failed
    skip  signing        not looked at: configuration failed
    skip  zone           not looked at: configuration failed
    skip  delegation     not looked at: configuration failed
    skip  record         not looked at: configuration failed
    skip  permissions    not looked at: configuration failed
    skip  state          not looked at: configuration failed
    skip  unit           not looked at: configuration failed
    15 checks, 1 failed, 14 skipped
    ");
    assert_eq!(town.running.world.requests().len(), 0);

    let usage = town.run(&["doctor", "--name", "vpn.example.com", "--ttl", "1m"]).await;
    assert_eq!(usage.status, Some(64), "{usage:?}");
}

#[tokio::test]
async fn the_binary_finds_an_authority_that_it_does_not_trust() {
    let town = town(|options, directory| options.tls = Some(directory.path().join("ca.pem"))).await;
    assert_eq!(doctor(&town, &[], &[]).await.0, Some(0));
    let (status, json) = doctor(&town, &[("AWS_CA_BUNDLE", "")], &[]).await;
    assert_eq!((status, ids(&json, "fail")), (Some(75), vec!["endpoint".to_owned()]), "{json:#}");
    let endpoint = json["checks"].as_array().unwrap().iter().find(|check| check["id"] == "endpoint").unwrap();
    assert!(endpoint["mend"].as_str().unwrap().contains("AWS_CA_BUNDLE"), "{endpoint}");
}

#[tokio::test]
async fn the_binary_tells_no_secret_even_at_the_finest_level() {
    let town = plain().await;
    let keys = town.running.world.role_credentials().unwrap();
    let mut command = town.pin53(&["doctor", "--name", "vpn.example.com"]);
    let ran = Ran::of(command.env("PIN53_LOG", "trace").output().await.unwrap());
    assert!(ran.err.contains("DEBUG") || ran.err.contains("TRACE"), "{ran:?}");
    for secret in [&keys.secret, keys.session_token.as_ref().unwrap()] {
        let secret = secrecy::ExposeSecret::expose_secret(secret);
        assert!(!ran.err.contains(secret) && !ran.out.contains(secret));
    }
}
