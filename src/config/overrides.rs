//! The options that stand over environment and file: their spelling and their help.
//!
//! Not here: what their values may be. An option is as raw a layer as the others, so that a value is
//! read in one way and faulted in the same words wherever it comes from.

use std::path::PathBuf;

/// Settings given on the command line, as they were typed.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct Overrides {
    /// A name to pin; may be repeated [PIN53_NAME]
    #[arg(long, value_name = "NAME", help_heading = "What to pin")]
    pub name: Vec<String>,
    /// Type of those records [default: CNAME]
    #[arg(long = "type", value_name = "CNAME|A|AAAA", help_heading = "What to pin")]
    pub rtype: Option<String>,
    /// Where the value comes from [default: imds]
    #[arg(long, value_name = "SOURCE", help_heading = "What to pin")]
    pub source: Vec<String>,
    /// Time to live of the records [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "What to pin")]
    pub ttl: Option<String>,
    /// Hosted zone [default: found from the name]
    #[arg(long, value_name = "ID-OR-NAME", help_heading = "What to pin")]
    pub zone: Option<String>,
    /// File to read [default: /etc/pin53/pin53.toml, if there]
    #[arg(long, value_name = "FILE", help_heading = "What to pin")]
    pub config: Option<PathBuf>,
    /// Audit against Route 53 [default: 5m]
    #[arg(long, value_name = "DURATION", help_heading = "When and how")]
    pub interval: Option<String>,
    /// Look at the sources [default: 5s]
    #[arg(long, value_name = "DURATION", help_heading = "When and how")]
    pub watch: Option<String>,
    /// Follow a change until INSYNC [default: 2m]
    #[arg(long, value_name = "DURATION|off", help_heading = "When and how")]
    pub wait: Option<String>,
    /// auto, aws3-https or sigv4 [PIN53_AWS__SIGNING]
    #[arg(long, value_name = "SCHEME", help_heading = "When and how")]
    pub signing: Option<String>,
    /// Form of the log lines on stderr [default: text]
    #[arg(long, value_name = "text|json", help_heading = "Output")]
    pub log_format: Option<String>,
}
