//! The options that stand over environment and file: their spelling and their help.
//!
//! Not here: what their values may be. An option is as raw a layer as the others, so that a value is
//! read in one way and faulted in the same words wherever it comes from.
//!
//! In the help, `[PIN53_TTL=60]` is the variable that says the same, and the default.

use std::path::PathBuf;

// Settings given on the command line, as they were typed. No doc comment: clap would show it as what
// the commands do that these are options of.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct Overrides {
    /// Name to pin; repeatable [PIN53_NAME=A,B]
    #[arg(long, value_name = "NAME", help_heading = "What to pin")]
    pub name: Vec<String>,
    /// Their type [PIN53_TYPE=CNAME]
    #[arg(long = "type", value_name = "CNAME|A|AAAA", help_heading = "What to pin")]
    pub rtype: Option<String>,
    /// Value from; repeatable [PIN53_SOURCE=imds]
    #[arg(long, value_name = "SOURCE", help_heading = "What to pin")]
    pub source: Vec<String>,
    /// Their time to live [PIN53_TTL=60]
    #[arg(long, value_name = "SECONDS", help_heading = "What to pin")]
    pub ttl: Option<String>,
    /// Hosted zone [PIN53_ZONE, else found from the name]
    #[arg(long, value_name = "ID-OR-NAME", help_heading = "What to pin")]
    pub zone: Option<String>,
    /// Settings file [PIN53_CONFIG=/etc/pin53/pin53.toml]
    #[arg(long, value_name = "FILE", help_heading = "What to pin")]
    pub config: Option<PathBuf>,
    /// Audit against Route 53 [PIN53_INTERVAL=5m]
    #[arg(long, value_name = "DURATION", help_heading = "When and how")]
    pub interval: Option<String>,
    /// Look at the sources [PIN53_WATCH=5s]
    #[arg(long, value_name = "DURATION", help_heading = "When and how")]
    pub watch: Option<String>,
    /// Follow a change to INSYNC [PIN53_WAIT=2m]
    #[arg(long, value_name = "DURATION|off", help_heading = "When and how")]
    pub wait: Option<String>,
    /// aws3-https or sigv4 [PIN53_AWS__SIGNING=auto]
    #[arg(long, value_name = "SCHEME", help_heading = "When and how")]
    pub signing: Option<String>,
    /// Log form [PIN53_LOG_FORMAT=text, PIN53_LOG=info]
    #[arg(long, value_name = "text|json", help_heading = "When and how")]
    pub log_format: Option<String>,
}
