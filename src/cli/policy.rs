//! `pin53 policy`: the least-privilege IAM policy for the configuration. Asks nobody where each zone is given by its id.

use std::io::Write;

use super::{Exit, Failure, engine, log, runtime};
use crate::aws;
use crate::aws::route53::{self, ZoneFinder};
use crate::aws::shared::Shared;
use crate::config::{self, Overrides, Settings};
use crate::desired::{Rule, ZoneChoice};
use crate::dns::{Name, ZoneId};
use crate::env::Env;
use crate::pattern::Pattern;
use crate::policy::{Policy, Wanted};
use crate::reconcile::Mode;
use crate::report;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub overrides: Overrides,
    /// json, terraform or cloudformation [default: json]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true, help_heading = "Output")]
    pub format: Option<Format>,
    /// The same as --format json
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    pub json: bool,
}

const EXAMPLE: &str = "\
Asks nobody where zones are given by their ids, and finds them otherwise.

Example:
  pin53 policy --name vpn.example.com --zone Z0123456789EXAMPLE > policy.json";

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum Format {
    #[default]
    Json,
    Terraform,
    Cloudformation,
}

/// No zone can be looked up for a name.
#[derive(Debug, thiserror::Error)]
#[error(
    "the zone of {0} can't be told before the metadata fills its name in: give the zone (zone = \"...\")"
)]
struct Untold(Pattern<Name>);

/// IAM takes no managed policy with more characters than this, white space left out.
///
/// Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MOST_CHARACTERS: usize = 6144;

/// # Errors
/// When the configuration is wrong, or a zone can't be found.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    let settings = config::load(&args.overrides, env)?;
    log::install(settings.log.clone(), env);
    let given = settings.rules.iter().map(|rule| Some((rule, given_zone(rule)?))).collect::<Option<Vec<_>>>();
    let (rules, region) = match given {
        Some(rules) => (rules, None),
        None => runtime::block_on(found(&settings, env))?,
    };
    let role = settings.aws.assume_role.as_ref().map(|role| role.arn.as_str());
    let set = || Some(Shared::load(env, settings.aws.profile.as_deref()).ok()?.region()?.value);
    let partition = role.and_then(|arn| arn.split(':').nth(1)).map(str::to_owned);
    let partition =
        partition.unwrap_or_else(|| aws::partition_of(&region.or_else(set).unwrap_or_default()).to_owned());
    let tells = settings.notify.iter().filter_map(|notify| notify.target.permission(&partition)).collect();
    let policy = Policy::for_rules(Wanted { rules: &rules, partition: &partition, role, tells: &tells });
    let format = args.format.unwrap_or_default();
    let text = match format {
        Format::Json => policy.json(),
        Format::Terraform => Ok(policy.terraform()),
        Format::Cloudformation => policy.cloudformation(),
    };
    let text = text.map_err(|error| Failure::output(error.into()))?;
    writeln!(out, "{}", text.trim_end()).map_err(Failure::output)?;
    for warning in warnings(&settings, &policy) {
        // Whoever closed standard error doesn't want to know.
        let _ = writeln!(err, "warning: {warning}");
    }
    Ok(Exit::Ok)
}

fn given_zone(rule: &Rule) -> Option<ZoneId> {
    match &rule.zone {
        ZoneChoice::Id(id) => Some(id.clone()),
        _ => None,
    }
}

/// The rules with their zones as Route 53 tells them, and the region that was found meanwhile.
async fn found<'a>(
    settings: &'a Settings,
    env: &Env,
) -> Result<(Vec<(&'a Rule, ZoneId)>, Option<String>), Failure> {
    let mut stop = engine::stop_signal()?;
    let reconciler = engine::reconciler(settings, env, Mode::Say, route53::PATIENCE)?;
    let looked_up = async {
        let mut finder = ZoneFinder::new(reconciler.client());
        let mut rules = Vec::new();
        for rule in &settings.rules {
            let found = finder.find(&within(rule)?, &rule.zone, rule.private).await.map_err(failed)?;
            rules.push((rule, found.id));
        }
        Ok::<_, Failure>(rules)
    };
    tokio::select! {
        rules = looked_up => Ok((rules?, reconciler.client().region())),
        () = &mut stop => Err(failed(route53::Error::Stopped)),
    }
}

fn failed(error: route53::Error) -> Failure {
    let exit = engine::exit_of(report::Failure::of(&error).class);
    Failure::new(exit, error)
}

/// A name that lies in the same zone: the rule's own, or what stands behind the last word of it.
fn within(rule: &Rule) -> Result<Name, Failure> {
    match (&rule.name, &rule.zone) {
        (Pattern::Plain(name), _) | (_, ZoneChoice::Named(name)) => Ok(name.clone()),
        (Pattern::Worded(parts), _) => {
            let tail = parts.tail().split_once('.').and_then(|(_, tail)| Name::parse(tail).ok());
            tail.ok_or_else(|| Failure::new(Exit::Misconfigured, Untold(rule.name.clone())))
        }
    }
}

fn warnings(settings: &Settings, policy: &Policy) -> Vec<String> {
    let worded = settings.rules.iter().find(|rule| matches!(rule.name, Pattern::Worded(_)));
    let glob = worded.map(|rule| {
        format!(
            "IAM can't know what the metadata fills into {}: '*' stands for it, so that the names of other machines \
             are permitted too",
            rule.name
        )
    });
    let role = settings.aws.assume_role.as_ref().map(|role| {
        format!("AssumeTheRole is for whom pin53 begins as; the other statements belong to {}", role.arn)
    });
    let length = policy.json().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).count();
    let long = (length > MOST_CHARACTERS).then(|| {
        format!("a managed policy may have {MOST_CHARACTERS} characters, and this one has {length}")
    });
    [glob, role, long].into_iter().flatten().collect()
}
