//! What the SSH configuration says of a host: `~/.ssh/config` first, then
//! `/etc/ssh/ssh_config`, and OpenSSH's own defaults for the rest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::event::SshSetting;

use crate::address::Address;
use crate::error::SshError;
use crate::known_hosts::Names;

pub mod sections;
pub mod tokens;
pub mod values;

use sections::Sections;
use tokens::Tokens;
use values::Values;

/// The keys that are tried where the configuration names none, in OpenSSH's order.
const DEFAULT_KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];
/// How long each step of connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After how much silence the server is asked whether it is still there.
const ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// And at most: OpenSSH counts on it for routers that forget, we for noticing a lost host.
const LONGEST_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name or IP address to connect to.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// The hosts in between, the nearest first.
    pub jumps: Vec<Address>,
    /// The names under which its key is looked for.
    pub names: Names,
    /// Private keys, or the public halves of keys that the agent has.
    pub identities: Vec<PathBuf>,
    /// Whether the configuration names them, rather than OpenSSH's defaults.
    pub identities_are_named: bool,
    /// Whether the agent's other keys are left alone.
    pub identities_only: bool,
    /// Certificates that are named on their own.
    pub certificates: Vec<PathBuf>,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// Files of known host keys; a new one goes into the first.
    pub user_known_hosts: Vec<PathBuf>,
    /// Those of the machine.
    pub global_known_hosts: Vec<PathBuf>,
    /// A list of keys that no host may show.
    pub revoked_keys: Option<PathBuf>,
    /// Whether names are hidden in new lines of known host keys.
    pub hash_known_hosts: bool,
    /// How long each step of connecting may take.
    pub connect_timeout: Duration,
    /// After how much silence the server is asked whether it is still there.
    pub alive_interval: Duration,
    /// What of the configuration has no effect here.
    pub warnings: Vec<SshSetting>,
}

/// The configuration files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The user's.
    pub user: PathBuf,
    /// The machine's.
    pub system: PathBuf,
}

impl Files {
    /// Those of a home folder, and the machine's.
    #[must_use]
    pub fn of(home: &Path) -> Files {
        Files {
            user: home.join(".ssh/config"),
            system: PathBuf::from("/etc/ssh/ssh_config"),
        }
    }
}

/// What `files` say of the host at `address`.
///
/// # Errors
/// [`SshError::Config`] and its like for what cannot be followed.
pub fn resolve(address: &Address, home: &Path, files: &Files) -> Result<Settings, SshError> {
    let local_user = local_user();
    let mut sections = Sections {
        typed: &address.host,
        user: address.user.as_deref().unwrap_or(&local_user),
        local_user: &local_user,
        home,
        lines: Vec::new(),
        warnings: Vec::new(),
    };
    sections.read(&files.user, &home.join(".ssh"))?;
    let system_folder = files.system.parent().unwrap_or(Path::new("/etc/ssh"));
    sections.read(&files.system, system_folder)?;
    let mut warnings = std::mem::take(&mut sections.warnings);
    let values = Values::of(&sections.lines, &mut warnings)?;
    settings(address, home, &local_user, &values, warnings)
}

fn settings(
    address: &Address,
    home: &Path,
    local_user: &str,
    values: &Values,
    warnings: Vec<SshSetting>,
) -> Result<Settings, SshError> {
    let params = &values.params;
    let host = host_name(address, values)?;
    let port = address.port.or(params.port).unwrap_or(22);
    let user = address.user.clone().or_else(|| params.user.clone());
    let user = user.unwrap_or_else(|| local_user.to_owned());
    let alias = values.word("hostkeyalias");
    let tokens = Tokens {
        home,
        host: &host,
        typed: &address.host,
        key_name: alias.as_deref().unwrap_or(&host),
        port,
        user: &user,
        local_user,
    };
    let paths = |key: &str, texts: Vec<String>| values.paths(key, texts, &tokens);
    let ssh = home.join(".ssh");
    let jumps = jumps(values, &tokens)?;
    Ok(Settings {
        names: Names::new(&host, port, alias.as_deref()),
        identities: match values.identities() {
            Some(texts) => paths("identityfile", texts)?,
            None => DEFAULT_KEYS.iter().map(|name| ssh.join(name)).collect(),
        },
        identities_are_named: values.identities().is_some(),
        identities_only: values.is_yes("identitiesonly"),
        certificates: paths("certificatefile", values.certificates.clone())?,
        agent: agent(values, &tokens)?,
        user_known_hosts: match values.words("userknownhostsfile") {
            Some(texts) => paths("userknownhostsfile", texts)?,
            None => vec![ssh.join("known_hosts"), ssh.join("known_hosts2")],
        },
        global_known_hosts: match values.words("globalknownhostsfile") {
            Some(texts) => paths("globalknownhostsfile", texts)?,
            None => ["ssh_known_hosts", "ssh_known_hosts2"]
                .map(|name| Path::new("/etc/ssh").join(name))
                .into(),
        },
        revoked_keys: paths(
            "revokedhostkeys",
            values.word("revokedhostkeys").into_iter().collect(),
        )?
        .pop(),
        hash_known_hosts: values.is_yes("hashknownhosts"),
        connect_timeout: positive(params.connect_timeout).unwrap_or(CONNECT_TIMEOUT),
        alive_interval: positive(params.server_alive_interval)
            .unwrap_or(ALIVE_INTERVAL)
            .min(LONGEST_ALIVE_INTERVAL),
        jumps,
        warnings,
        host,
        port,
        user,
    })
}

fn host_name(address: &Address, values: &Values) -> Result<String, SshError> {
    let Some(name) = &values.params.host_name else {
        return Ok(address.host.to_lowercase());
    };
    // Only these two stand in a name.
    let name = name.replace("%h", &address.host).replace("%%", "%");
    match name.parse::<Address>() {
        Ok(plain) if plain.user.is_none() && plain.port.is_none() => Ok(plain.host.to_lowercase()),
        _ => Err(values.wrong("hostname", format!("`{name}` is not a host name"))),
    }
}

fn jumps(values: &Values, tokens: &Tokens<'_>) -> Result<Vec<Address>, SshError> {
    if let Some(line) = &values.proxy_command {
        return Err(SshError::ProxyCommand {
            file: line.file.clone(),
            line: line.number,
        });
    }
    let texts = values.params.proxy_jump.clone().unwrap_or_default();
    if texts.iter().any(|text| text.eq_ignore_ascii_case("none")) {
        return Ok(Vec::new());
    }
    let wrong = |why: String| values.wrong("proxyjump", why);
    texts
        .iter()
        .map(|text| {
            let text = tokens.text(text.trim()).map_err(wrong)?;
            text.parse::<Address>().map_err(|error| wrong(error.to_string()))
        })
        .collect()
}

/// The agent's socket: `IdentityAgent`, else SSH_AUTH_SOCK. `none` is none.
fn agent(values: &Values, tokens: &Tokens<'_>) -> Result<Option<PathBuf>, SshError> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    };
    match values.word("identityagent") {
        None => Ok(from("SSH_AUTH_SOCK")),
        Some(text) if text.eq_ignore_ascii_case("none") => Ok(None),
        Some(text) if text == "SSH_AUTH_SOCK" => Ok(from("SSH_AUTH_SOCK")),
        Some(text) => match text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            Some(name) => Ok(from(name)),
            None => {
                let path = tokens
                    .path(&text)
                    .map_err(|why| values.wrong("identityagent", why))?;
                Ok(Some(path))
            }
        },
    }
}

/// OpenSSH takes 0 for "no limit", or "never"; ours always has one.
fn positive(duration: Option<Duration>) -> Option<Duration> {
    duration.filter(|duration| !duration.is_zero())
}

/// The user who runs this.
fn local_user() -> String {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => std::env::var("USER").unwrap_or_else(|_| uid.to_string()),
    }
}

#[cfg(test)]
mod tests;
