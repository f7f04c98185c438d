//! Which machines a command is for.

use model::config::Fleet;
use model::failure::{Failure, Kind};
use model::wire::HostRole;

use super::args::Verb;
use super::context::Context;

/// The hosts of a command, in order, and what bg.toml says about them as a company.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// As they were typed or written.
    pub names: Vec<String>,
    /// The settings.
    pub fleet: Fleet,
    /// All hosts that bg.toml names.
    pub known: Vec<String>,
}

impl Chosen {
    /// The host where what must happen once happens.
    #[must_use]
    pub fn primary(&self) -> usize {
        let named = self.fleet.primary.as_ref();
        named
            .and_then(|primary| self.names.iter().position(|name| name == primary))
            .unwrap_or(0)
    }

    /// What a host is to its configuration. The primary is so also where a command is not
    /// for it.
    #[must_use]
    pub fn place(&self, host: &str) -> HostRole {
        let first = self.known.first().or(self.names.first());
        let primary = self.fleet.primary.as_ref().or(first);
        HostRole {
            host: host.to_owned(),
            primary: primary.is_some_and(|primary| primary == host),
        }
    }
}

/// Those that were named by `hosts`, a host or a group each; else those of bg.toml; `None`
/// for this machine.
///
/// # Errors
/// When bg.toml makes no sense, or a name is both given and empty.
pub fn choose(
    hosts: &[String],
    local: bool,
    verb: &Verb,
    context: &Context,
) -> Result<Option<Chosen>, Failure> {
    if local || verb.kind().is_for_here() {
        return Ok(None);
    }
    let config = context.whole_config()?;
    let (known, fleet) = config.map_or_else(
        || (Vec::new(), Fleet::default()),
        |config| (config.hosts, config.fleet),
    );
    let names = if hosts.is_empty() {
        known.clone()
    } else {
        spread(hosts, &fleet)?
    };
    Ok((!names.is_empty()).then_some(Chosen { names, fleet, known }))
}

/// Groups become their members; nobody is named twice.
fn spread(hosts: &[String], fleet: &Fleet) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = Vec::new();
    for name in hosts {
        let members = fleet
            .groups
            .get(name)
            .map_or(std::slice::from_ref(name), Vec::as_slice);
        if name.trim().is_empty() {
            return Err(Failure::new(Kind::Usage, "`--hosts` has an empty host name"));
        }
        names.extend(
            members
                .iter()
                .filter(|member| !names.contains(member))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::context::ConfigSource;
    use super::*;

    fn context() -> Context {
        Context {
            app: None,
            config: ConfigSource::None,
            place: None,
            author: None,
        }
    }

    #[test]
    fn a_group_stands_for_its_members_and_nobody_comes_twice() {
        let fleet = Fleet {
            groups: [("eu".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into(),
            ..Fleet::default()
        };
        let named =
            |hosts: &[&str]| spread(&hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), &fleet);
        assert_eq!(named(&["eu", "c"]).unwrap(), ["a", "b", "c"]);
        assert_eq!(named(&["b", "eu"]).unwrap(), ["b", "a"]);
        assert_eq!(named(&["", "a"]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn what_concerns_no_server_stays_here() {
        let hosts = ["web1".to_owned()];
        let status = Verb::Status { watch: false };
        let chosen = choose(&hosts, false, &status, &context()).unwrap().unwrap();
        assert_eq!(chosen.names, ["web1"]);
        assert_eq!(choose(&hosts, true, &status, &context()).unwrap(), None);
        assert_eq!(choose(&hosts, false, &Verb::Schema, &context()).unwrap(), None);
        assert_eq!(choose(&[], false, &status, &context()).unwrap(), None);
    }
}
