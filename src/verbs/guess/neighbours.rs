//! The other apps of this host: names and ports that are theirs.

use engine::app::read_config;
use model::config::{Config, Ports};
use model::layout::Layout;
use state::registry::Registry;
use sys::sockets;

/// The first ports that are looked at, an even number of steps below the last.
const FIRST: u16 = 5001;
const LAST: u16 = 5999;

/// What other apps have.
pub(super) struct Neighbours {
    apps: Vec<String>,
    processes: Vec<String>,
    ports: Vec<u16>,
}

impl Neighbours {
    /// All but the one that is released from `git`: that is this one, written down again.
    pub(super) fn of_this_host(git: Option<&str>) -> Neighbours {
        let mut found = Neighbours {
            apps: Vec::new(),
            processes: Vec::new(),
            ports: Vec::new(),
        };
        for entry in Registry::of_this_user().entries() {
            let config: Option<Config> = read_config(&Layout::new(&entry.root).config()).ok();
            let source = config.as_ref().and_then(|config| config.source.git.as_deref());
            if source.is_some() && source == git {
                continue;
            }
            found.ports.extend(config.iter().flat_map(|config| {
                let ports = config.process.ports;
                [ports.blue, ports.green]
            }));
            found.processes.push(entry.process_name);
            found.apps.push(entry.app);
        }
        found
    }

    /// `name`, or it with the first number that makes it nobody else's.
    pub(super) fn free_name(&self, name: String) -> String {
        let is_free = |name: &String| !self.apps.contains(name) && !self.processes.contains(name);
        let numbered = (2..100).map(|number| {
            let short: String = name.chars().take(28).collect();
            format!("{}-{number}", short.trim_end_matches('-'))
        });
        let mut names = std::iter::once(name.clone()).chain(numbered);
        names.find(is_free).unwrap_or(name)
    }

    /// Whether PM2's names may be the usual ones.
    pub(super) fn leave_process(&self, usual: &str) -> bool {
        !self.processes.iter().any(|name| name == usual)
    }

    /// Two ports that nobody has.
    pub(super) fn free_ports(&self) -> Ports {
        let is_free = |port: u16| !self.ports.contains(&port) && sockets::is_free(port);
        let pair = (FIRST..LAST)
            .step_by(2)
            .find(|port| is_free(*port) && is_free(port + 1));
        let blue = pair.unwrap_or(FIRST);
        Ports {
            blue,
            green: blue + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::verbs::guess::neighbours::*;

    #[test]
    fn what_others_have_is_left_to_them() {
        let ports = Neighbours {
            apps: vec!["shop".into(), "shop-2".into()],
            processes: vec!["flask".into(), "desk".into()],
            ports: vec![],
        };
        assert_eq!(ports.free_name("shop".into()), "shop-3");
        assert_eq!(ports.free_name("desk".into()), "desk-2");
        assert_eq!(ports.free_name("till".into()), "till");
        assert!(!ports.leave_process("flask"));
        let free = ports.free_ports();
        let taken = Neighbours {
            ports: vec![free.green],
            ..ports
        };
        assert!(taken.free_ports().blue > free.green);
    }
}
