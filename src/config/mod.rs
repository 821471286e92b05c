//! Configuration: raw layers in, checked settings out, with every fault at once.
//!
//! An option stands over the environment, the environment over the file, the file over the default. Knows
//! every module's settings and is known by none of them. Not here: AWS's own variables, which `aws` reads
//! as AWS's tools do, and the spelling of commands, which is `cli`'s.

mod check;
mod fault;
mod file;
mod keys;
mod layers;
mod notify;
mod overrides;
mod read;
mod routing;
mod rules;
mod syntax;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::audit;
use crate::aws::Signing;
use crate::aws::sts::Role;
use crate::desired::Rule;
use crate::env::Env;
use crate::reconcile::Wait;
pub use check::{Checked, check};
pub use fault::{Fault, Faults, Place, Problem};
#[cfg(test)]
pub(crate) use keys::paths;
use keys::{Key, SETTINGS};
use layers::Layers;
pub use overrides::Overrides;

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "/etc/pin53/pin53.toml";

/// Where the packaged service keeps its state.
const SYSTEM_STATE: &str = "/var/lib/pin53";

/// All that was configured, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The records to keep: at least one, each name and type once.
    pub rules: Vec<Rule>,
    /// From one audit against Route 53 to the next.
    pub interval: Duration,
    /// From one look at the sources to the next.
    pub watch: Duration,
    pub wait: Wait,
    pub aws: Aws,
    pub audit: audit::Settings,
    /// Where state is kept; `None` where there is no place for it.
    pub state_dir: Option<PathBuf>,
    /// Who is told of what happens.
    pub notify: Vec<crate::notify::Settings>,
    /// Where the daemon's status page is served, if it is to be.
    pub listen: Option<SocketAddr>,
    pub log: Log,
}

/// How AWS is talked to, and as whom: what pin53's own configuration says beside AWS's variables and files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aws {
    pub signing: Signing,
    /// The profile to take from AWS's files, and nobody else's credentials.
    pub profile: Option<String>,
    /// A role to assume with the credentials that are found.
    pub assume_role: Option<Role>,
}

/// What is logged, and how it looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    pub format: LogFormat,
    pub filter: Targets,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            interval: Duration::from_secs(5 * 60),
            watch: Duration::from_secs(5),
            wait: Wait::For(Duration::from_secs(2 * 60)),
            aws: Aws::default(),
            audit: audit::Settings::default(),
            state_dir: None,
            notify: Vec::new(),
            listen: None,
            log: Log { format: LogFormat::default(), filter: Targets::new().with_default(LevelFilter::INFO) },
        }
    }
}

/// Reads all layers, the configuration file from disk.
///
/// # Errors
/// With every fault that is in them: unknown keys and variables, values that can't be, a file that can't be
/// read, and nothing to pin.
pub fn load(overrides: &Overrides, env: &Env) -> Result<Settings, Faults> {
    load_or(Path::new(DEFAULT_FILE), overrides, env)
}

fn load_or(default_file: &Path, overrides: &Overrides, env: &Env) -> Result<Settings, Faults> {
    let mut faults = Faults::default();
    let layers = Layers::read(overrides, env, default_file, &mut faults);
    let settings = read_settings(&layers, env, &mut faults);
    if settings.rules.is_empty() && faults.is_empty() {
        faults.push(Fault { place: Place::Nowhere, key: None, problem: Problem::NothingToPin });
    }
    faults.unless_any(settings)
}

/// What the layers say, and notes what can't be read of it.
fn read_settings(layers: &Layers, env: &Env, faults: &mut Faults) -> Settings {
    let mut settings = Settings::default();
    for key in SETTINGS {
        if let Some(value) = layers.get(key.path)
            && let Err(text) = key.read(value, &mut settings)
        {
            faults.push(layers.fault(value, key.path, text));
        }
    }
    if settings.aws.assume_role.as_ref().is_some_and(|role| role.arn.is_empty())
        && let (None, Some(value)) = (layers.get("aws.assume_role.arn"), layers.get("aws.assume_role"))
    {
        let text = format!("expected {} beside the others, found nothing", read::ROLE_ARN);
        faults.push(layers.fault(value, "aws.assume_role.arn", text));
    }
    settings.rules = rules::rules(layers, faults);
    settings.notify = rules::notifications(layers, faults);
    if settings.state_dir.is_none() {
        settings.state_dir = state_directory(env);
    }
    settings
}

/// Where to look for what the daemon, or `--once`, has seen and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watching {
    /// Where state may be kept, the first that has some being it.
    pub state_dirs: Vec<PathBuf>,
    /// Where the daemon's status page is, if it has one.
    pub listen: Option<SocketAddr>,
    /// What an option or a variable says.
    given_interval: Option<Duration>,
    /// What the file says, or the default.
    interval: Duration,
    /// What is wrong with the file. A daemon that has read it before is not ended by that.
    pub faults: Faults,
}

impl Watching {
    /// The interval to judge by, where the one in force when the status was written is `recorded`, in seconds: a
    /// file may have been edited since.
    #[must_use]
    pub fn interval(&self, recorded: f64) -> Duration {
        let recorded = Duration::try_from_secs_f64(recorded).ok().filter(|interval| !interval.is_zero());
        self.given_interval.or(recorded).unwrap_or(self.interval)
    }
}

/// Reads what tells where to look for the daemon's status, and nothing of what there is to pin. What can't be
/// read of the file stands among the faults, beside what is known without it.
///
/// # Errors
/// When options or variables say something that can't be, or name a file that isn't there.
pub fn watching(overrides: &Overrides, env: &Env) -> Result<Watching, Faults> {
    watching_or(Path::new(DEFAULT_FILE), Path::new(SYSTEM_STATE), overrides, env)
}

fn watching_or(
    default_file: &Path,
    system_state: &Path,
    overrides: &Overrides,
    env: &Env,
) -> Result<Watching, Faults> {
    let mut faults = Faults::default();
    let layers = Layers::read(overrides, env, default_file, &mut faults);
    let mut settings = Settings::default();
    let mut given_interval = false;
    for key in SETTINGS.iter().filter(|key| ["interval", "state", "listen"].contains(&key.path)) {
        let Some(value) = layers.get(key.path) else { continue };
        given_interval |= key.path == "interval" && value.origin().is_some();
        if let Err(text) = key.read(value, &mut settings) {
            faults.push(layers.fault(value, key.path, text));
        }
    }
    let state_dirs = match settings.state_dir {
        Some(directory) => vec![directory],
        None if env.get("STATE_DIRECTORY").is_some() => state_directory(env).into_iter().collect(),
        None => [system_state.to_owned()].into_iter().chain(state_directory(env)).collect(),
    };
    if faults.iter().any(|fault| !matches!(fault.place, Place::File(_))) {
        return Err(faults);
    }
    Ok(Watching {
        state_dirs,
        listen: settings.listen,
        given_interval: given_interval.then_some(settings.interval),
        interval: settings.interval,
        faults,
    })
}

/// What the environment says about logging, for commands that have no other settings.
///
/// # Errors
/// When it says something that can't be.
pub fn log(env: &Env, default_level: LevelFilter) -> Result<Log, Faults> {
    let mut settings = Settings::default();
    settings.log.filter = Targets::new().with_default(default_level);
    let faults = read_variables(env, &mut settings, |key| key.path.starts_with("log"));
    faults.unless_any(settings.log)
}

/// What the environment says about AWS, for commands that have no other settings.
///
/// # Errors
/// When it says something that can't be.
pub fn aws(env: &Env) -> Result<Aws, Faults> {
    let mut settings = Settings::default();
    let faults = read_variables(env, &mut settings, |key| key.path.starts_with("aws."));
    faults.unless_any(settings.aws)
}

fn read_variables(env: &Env, settings: &mut Settings, wanted: impl Fn(&Key<Settings>) -> bool) -> Faults {
    let mut faults = Faults::default();
    for key in SETTINGS.iter().filter(|key| wanted(key)) {
        let variable = key.variable();
        if let Some(value) = env.get(&variable)
            && let Err(text) = key.read(&value.into(), settings)
        {
            faults.push(Fault { place: Place::Variable(variable), key: None, problem: Problem::Value(text) });
        }
    }
    faults
}

impl Settings {
    /// The role to assume, to be filled in.
    fn role(&mut self) -> &mut Role {
        self.aws.assume_role.get_or_insert_default()
    }
}

/// Where state goes when no setting says: what systemd made for us, or else the user's own place.
///
/// Spec: <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#RuntimeDirectory=>,
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn state_directory(env: &Env) -> Option<PathBuf> {
    // Several directories of one unit are joined by colons.
    let by_systemd = env.get("STATE_DIRECTORY").and_then(|list| list.split(':').next());
    // The base directory specification has relative paths ignored.
    let absolute = |name: &str| env.get(name).map(Path::new).filter(|path| path.is_absolute());
    by_systemd
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(absolute("XDG_STATE_HOME")?.join("pin53")))
        .or_else(|| Some(absolute("HOME")?.join(".local/state/pin53")))
}

#[cfg(test)]
mod tests;
