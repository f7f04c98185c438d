//! The way to a host: itself, or over jump hosts, each of them checked and logged in to like
//! the host itself.

use std::path::Path;
use std::sync::Arc;

use model::event::SshSetting;
use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;
use tokio::time::timeout;

use crate::address::Address;
use crate::config::{self, Files, Settings};
use crate::dial::{self, Line};
use crate::error::SshError;
use crate::host_key::Trust;
use crate::known_hosts::KnownHosts;
use crate::login::log_in;
use crate::options::Options;
use crate::quickack::Quick;

/// More hops than anybody has.
const LONGEST: usize = 16;

/// A host on the way, and what was written for it.
pub(super) struct Stop {
    written: Address,
    settings: Settings,
}

/// Everything between here and the host, the nearest first, the host itself last.
///
/// # Errors
/// What the configuration says wrong, [`SshError::JumpLoop`].
pub(super) fn plan(address: &Address, home: &Path, files: &Files) -> Result<Vec<Stop>, SshError> {
    let settings = config::resolve(address, home, files)?;
    let mut stops = vec![Stop {
        written: address.clone(),
        settings,
    }];
    // As with OpenSSH, only the first jump host may have one of its own: the others are
    // reached over those that stand before them.
    while let Some(jumps) = stops
        .first()
        .map(|stop| stop.settings.jumps.clone())
        .filter(|jumps| !jumps.is_empty())
    {
        let mut before = Vec::new();
        for jump in jumps {
            let settings = config::resolve(&jump, home, files)?;
            before.push(Stop {
                written: jump,
                settings,
            });
        }
        if let Some(twice) = before
            .iter()
            .find(|stop| stops.iter().any(|other| is_same(stop, other)))
        {
            return Err(SshError::JumpLoop {
                hop: twice.written.to_string(),
            });
        }
        before.append(&mut stops);
        stops = before;
        if stops.len() > LONGEST {
            return Err(SshError::JumpLoop {
                hop: address.to_string(),
            });
        }
    }
    Ok(stops)
}

fn is_same(one: &Stop, other: &Stop) -> bool {
    one.settings.host == other.settings.host && one.settings.port == other.settings.port
}

/// What of the configuration has no effect, none twice.
pub(super) fn warnings(route: &[Stop]) -> Vec<SshSetting> {
    let mut all: Vec<SshSetting> = Vec::new();
    for warning in route.iter().flat_map(|stop| &stop.settings.warnings) {
        if !all.contains(warning) {
            all.push(warning.clone());
        }
    }
    all
}

/// Goes all the way; the lines to each stop, and the settings of the last.
///
/// # Errors
/// What stands in the way; [`SshError::Hop`] names the jump host where it is one.
pub(super) async fn travel(route: Vec<Stop>, options: &Options) -> Result<(Vec<Line>, Settings), SshError> {
    let mut lines: Vec<Line> = Vec::new();
    let mut so_far: Option<Stop> = None;
    let stops = route.len();
    for (at, stop) in route.into_iter().enumerate() {
        let before = lines.last().zip(so_far.as_ref());
        match arrive(&stop, before, options).await {
            Ok(line) => lines.push(line),
            Err(error @ SshError::NoWayOn { .. }) => return Err(error),
            Err(source) if at + 1 < stops => {
                return Err(SshError::Hop {
                    hop: stop.written.to_string(),
                    source: Box::new(source),
                });
            }
            Err(error) => return Err(error),
        }
        so_far = Some(stop);
    }
    match so_far {
        Some(stop) => Ok((lines, stop.settings)),
        None => Err(SshError::Protocol(russh::Error::Disconnect)),
    }
}

async fn arrive(stop: &Stop, before: Option<(&Line, &Stop)>, options: &Options) -> Result<Line, SshError> {
    let settings = &stop.settings;
    let trust = trust(settings, options)?;
    let mut line = match before {
        None => dial::shake_hands(Quick(dial::tcp(settings).await?), settings, trust).await?,
        Some((line, hop)) => {
            let limit = settings.connect_timeout;
            let port = u32::from(settings.port);
            let opening = line
                .handle
                .channel_open_direct_tcpip(settings.host.as_str(), port, "127.0.0.1", 0);
            let no_way = |why: String| SshError::NoWayOn {
                hop: hop.written.to_string(),
                address: dial::place(settings),
                why,
            };
            let channel = match timeout(limit, opening).await {
                Ok(Ok(channel)) => channel,
                Ok(Err(russh::Error::ChannelOpenFailure(failure))) => {
                    return Err(no_way(failure.description().to_lowercase()));
                }
                Ok(Err(error)) => return Err(no_way(error.to_string())),
                Err(_) => return Err(no_way(format!("no answer within {} s", limit.as_secs()))),
            };
            dial::shake_hands(channel.into_stream(), settings, trust).await?
        }
    };
    log_in(&mut line, settings).await?;
    Ok(line)
}

fn trust(settings: &Settings, options: &Options) -> Result<Trust, SshError> {
    let files: Vec<_> = settings
        .user_known_hosts
        .iter()
        .chain(&settings.global_known_hosts)
        .cloned()
        .collect();
    let file = settings.user_known_hosts.first().cloned();
    let fallback = || options.home().join(".ssh/known_hosts");
    Ok(Trust {
        names: settings.names.clone(),
        known: Arc::new(KnownHosts::read(&files)?),
        revoked: Arc::new(revoked(settings)?),
        accept_into: options
            .accept_new_host_key
            .then(|| file.clone().unwrap_or_else(fallback)),
        file,
        hash: settings.hash_known_hosts,
    })
}

/// The list of `RevokedHostKeys`, a public key on each line.
fn revoked(settings: &Settings) -> Result<Vec<KeyData>, SshError> {
    let Some(file) = &settings.revoked_keys else {
        return Ok(Vec::new());
    };
    // Without the list nobody can be trusted, as with OpenSSH.
    let unreadable = |source| SshError::File {
        path: file.clone(),
        done: "read",
        source,
    };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.parse::<PublicKey>() {
            Ok(key) => Ok(key.key_data().clone()),
            Err(error) => Err(unreadable(std::io::Error::other(error))),
        })
        .collect()
}
